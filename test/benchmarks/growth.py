#!/usr/bin/env python3
"""How the costs of tokenization grow: with hours of audio, layers and clusters.

CPU seconds of the real functions on sizes that double; the slope in a log-log plot says
the power. Tiny layers, so that it takes a minute: the powers are what is read here, not
the seconds. Prints one line of JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import make_set, upstream_conf


def cpu_seconds(work) -> float:
    """CPU seconds of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def slope(xs, ys) -> float:
    """The power of y in x, from the last half of the points, two at least."""
    half = min(len(xs) // 2, len(xs) - 2)
    return float(np.polyfit(np.log(xs[half:]), np.log(ys[half:]), 1)[0])


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.tokens.codebooks import fit_codebooks
    from espnet2_distilmos.tokens.frames import FrameDump
    from espnet2_distilmos.tokens.labels import nearest_centroid
    from espnet2_distilmos.tokens.states import load_frozen

    steps = range(2) if args.quick else range(4)
    curves = {}

    def add(name, what, xs, ys):
        curves[name] = {"what": what, "x": xs, "cpu": ys, "slope": slope(xs, ys)}

    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)

        def dump_seconds(n_clips, layers):
            where = folder / f"{n_clips}_{layers}"
            raw = make_set(where, n_clips, 3, 3.01)
            conf = UpstreamConfig.from_dict(
                upstream_conf(folder, "tiny", encoder_layers=layers), "benchmark"
            )
            load_frozen(conf, "cpu")  # writes the checkpoint, warms up
            dump = FrameDump(raw, conf, where / "frames", max_frames=2000)

            def work():
                dump.run()
                dump.combine()

            return cpu_seconds(work)

        dump_seconds(2, 4)
        clips = [10 * 2**i for i in steps]
        hours = [n * 3 / 3600 for n in clips]
        add("hours", "stage 2", hours, [dump_seconds(n, 4) for n in clips])
        layers = [3 * 2**i for i in steps]
        add("layers", "stage 2", layers, [dump_seconds(12, n) for n in layers])

        rng = np.random.default_rng(0)
        path = folder / "x.npy"
        ks = [50 * 2**i for i in steps]
        np.save(path, rng.standard_normal((20000, 128), dtype=np.float32))
        fit_codebooks(path, 10, 1, 0)  # imports
        add(
            "clusters",
            "k-means of a layer",
            ks,
            [cpu_seconds(lambda k=k: fit_codebooks(path, k, 1, 0)) for k in ks],
        )
        frames = [5000 * 2**i for i in steps]
        times = []
        for n in frames:
            np.save(path, rng.standard_normal((n, 128), dtype=np.float32))
            times.append(cpu_seconds(lambda: fit_codebooks(path, 200, 1, 0)))
        add("frames", "k-means of a layer", frames, times)
        x = torch.randn(20000, 128)
        times = []
        for k in ks:
            centroids = torch.randn(k, 128)
            times.append(cpu_seconds(lambda c=centroids: nearest_centroid(x, c)))
        add("clusters, labels", "labels of 20000 frames", ks, times)
    print(json.dumps({"curves": curves}))


if __name__ == "__main__":
    main()
