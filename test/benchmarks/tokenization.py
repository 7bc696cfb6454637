#!/usr/bin/env python3
"""Tokens of all layers in one pass, against a pass a layer.

- all: what stage 3 does: one pass over the audio, tokens of L layers;
- by_layer: L passes, each with the whole upstream and tokens of one layer (an S3PRL
  upstream in ESPnet's k-means scripts);
- by_layer_stopping: L passes, each only as far up as its layer.

The first is also the measured small run from which disk and memory are extrapolated.
Prints one line of JSON.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import make_set, measure, ratio, upstream_conf


def _do(work) -> None:
    work.run()
    work.combine()


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)

    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.tokens.frames import FrameDump
    from espnet2_distilmos.tokens.kmeans import Clustering
    from espnet2_distilmos.tokens.labels import Labelling, nearest_centroid
    from espnet2_distilmos.tokens.layout import layer_file
    from espnet2_distilmos.tokens.states import (
        batch_states,
        cut_batches,
        load_frozen,
        read_batches,
    )
    from espnet2_distilmos.utils.datadir import read_floats, read_wav_scp
    from espnet2_distilmos.utils.files import read_yaml

    size = "tiny" if args.quick else "base"
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        raw = make_set(folder / "set", 4, 2, 4)
        conf = UpstreamConfig.from_dict(upstream_conf(folder, size), "benchmark")
        _do(FrameDump(raw, conf, folder / "frames"))
        _do(Clustering(folder / "frames", folder / "kmeans", n_clusters=200))
        _do(Labelling([raw], conf, folder / "kmeans"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        stamp = read_yaml(folder / "frames/frames.yaml")
        layers, n_frames = stamp["layers"], stamp["n_frames"]
        first = np.load(layer_file(folder / "frames", 1), mmap_mode="r")
        disk = {
            "frames": layer_file(folder / "frames", 1).stat().st_size * len(layers),
            "tokens": (folder / "kmeans/raw/tokens.ark").stat().st_size,
        }
        centroids = {
            n: torch.from_numpy(np.load(layer_file(folder / "kmeans", n)))
            for n in layers
        }
        upstream = load_frozen(conf, "cpu")
        wavs, lengths = (
            read_wav_scp(raw / "wav.scp"),
            read_floats(raw / "utt2num_samples"),
        )

        def one_pass(wanted):
            for _, clips in read_batches(wavs, cut_batches(lengths, list(wavs), 0)):
                (states,) = batch_states(upstream, clips)
                for n in wanted:
                    nearest_centroid(states[n - 1], centroids[n])

        def by_layer(stopping):
            for n in layers:
                upstream.limit_layers(n if stopping else None)
                one_pass([n])
            upstream.limit_layers(None)

        seconds = measure(
            {
                "all": lambda: one_pass(layers),
                "by_layer": lambda: by_layer(False),
                "by_layer_stopping": lambda: by_layer(True),
            },
            rounds=1 if args.quick else 2,
        )
    audio = sum(lengths.values()) / 16000
    print(
        json.dumps(
            {
                "size": size,
                "audio_seconds": audio,
                "layers": len(layers),
                "hidden_size": first.shape[1],
                "n_frames": n_frames,
                "seconds": seconds,
                "cpu_seconds_per_audio_second": seconds["all"]["cpu"] / audio,
                "disk_bytes": disk,
                "peak_memory_bytes": peak,
                "by_layer_over_all": ratio(seconds, "by_layer", "all"),
                "by_layer_stopping_over_all": ratio(
                    seconds, "by_layer_stopping", "all"
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
