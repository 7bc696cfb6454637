#!/usr/bin/env python3
"""Clips a second of our scorer and of other predictors, over the same files.

Other models that answer other questions: what is compared is the time a user waits.
Those of PEERS are measured that can be imported (run.py puts them into a folder of
their own, weights included). Prints one line of JSON.
"""

import argparse
import functools
import json
import tempfile
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import soundfile


def load_distillmos():
    """Microsoft's Distill-MOS: a CNN and a small transformer on 16 kHz audio."""
    import distillmos
    import torch

    model = distillmos.ConvTransformerSQAModel().eval()

    def score(path):
        samples, _ = soundfile.read(path, dtype="float32")
        with torch.inference_mode():
            return float(model(torch.from_numpy(samples)[None]))

    return score


def load_speechmos():
    """DNSMOS (P.835) in the package speechmos: three small CNNs over 9 s windows."""
    import onnxruntime

    # One thread, as all others here; onnxruntime takes all cores unless told.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = functools.partial(
        onnxruntime.InferenceSession, sess_options=options
    )
    from speechmos import dnsmos

    def score(path):
        samples, rate = soundfile.read(path, dtype="float32")
        return dnsmos.run(samples.clip(-1, 1), sr=rate)["ovrl_mos"]

    return score


PEERS = {"distillmos": load_distillmos, "speechmos": load_speechmos}


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    import torch
    from common import measure
    from scoring import make_clips, make_model

    torch.set_num_threads(1)
    from espnet2_distilmos.inference.engine import DistilMOSInference

    parts, versions, missing = {}, {}, {}
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        size = "tiny" if args.quick else "base"
        make_model(folder, size)
        clips = SimpleNamespace(
            n_clips=4 if args.quick else 12, min_seconds=2.0, max_seconds=6.0
        )
        paths = make_clips(folder, clips)
        engine = DistilMOSInference(folder / "config.yaml", folder / "model.pth")
        parts[f"DistilMOS, {size} upstream"] = lambda: list(engine.score_files(paths))
        for name, load in PEERS.items():
            try:
                score = load()
                score(paths[0])  # the first forward of a process is slow
                versions[name] = metadata.version(name)
            except ImportError as e:
                missing[name] = str(e)
                continue
            parts[name] = lambda score=score: [score(path) for path in paths]
        list(engine.score_files(paths))  # so is that of a batch
        seconds = measure(parts, rounds=1 if args.quick else 2)
    print(
        json.dumps(
            {
                "n_clips": clips.n_clips,
                "seconds": seconds,
                "clips_a_cpu_second": {
                    name: clips.n_clips / t["cpu"] for name, t in seconds.items()
                },
                "versions": versions,
                "missing": missing,
            }
        )
    )


if __name__ == "__main__":
    main()
