#!/usr/bin/env python3
"""Memory while scoring many clips and training many epochs: does it stay flat?

    python test/faults/leaks.py --clips 1000 --epochs 20

Prints how much the resident memory (RSS) grew from the first quarter, when caches are
warm, to the end: of scoring the same clips again and again, and of a training.
"""

import argparse
import gc
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults import pipeline

PAGE_KB = resource.getpagesize() // 1024


def rss_kb() -> int:
    """Resident memory of this process, in kB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB


def drift_kb(samples: List[int]) -> int:
    """Growth from the first quarter of a run to its end."""
    return samples[-1] - samples[len(samples) // 4]


def scoring(model_file: Path, wavs: List[str], n_clips: int, every: int) -> List[int]:
    """RSS after every `every` clips."""
    from espnet2_distilmos.inference.engine import DistilMOSInference

    model = DistilMOSInference(None, str(model_file))
    samples = []
    for first in range(0, n_clips, every):
        paths = [wavs[i % len(wavs)] for i in range(first, first + every)]
        for result in model.score_files(paths):
            assert result["mos"] is not None, result
        samples.append(rss_kb())
    return samples


def training(step: pipeline.Step, epochs: int, output_dir: Path) -> List[int]:
    """RSS after each epoch of a training, of which `step` has the options."""
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.train.trainer import DistilMOSTrainer

    samples: List[int] = []

    class Measured(DistilMOSTrainer):
        @classmethod
        def validate_one_epoch(cls, *args, **kwargs):
            super().validate_one_epoch(*args, **kwargs)
            samples.append(rss_kb())

    class Task(DistilMOSTask):
        trainer = Measured

    options = ["--max_epoch", str(epochs), "--output_dir", str(output_dir)]
    Task.main(cmd=[*step.argv, *options])
    return samples


def measure(folder: Path, clips: int, epochs: int, every: int) -> Dict[str, int]:
    """Drift of both, in kB; `folder` holds a whole run, and is the current one."""
    (step,) = (
        s for s in pipeline.steps(folder.parent / "corpus") if s.name == TRAIN_STEP
    )
    lines = (folder / "dump/raw/test/wav.scp").read_text().splitlines()
    wavs = [line.split(maxsplit=1)[1] for line in lines]
    model = folder / "exp/mos_tiny/valid.srcc.best.pth"
    scored = scoring(model, wavs, clips, every)
    trained = training(step, epochs, folder / "exp/leaks")
    return {
        "clips": clips,
        "scoring_drift_kb": drift_kb(scored),
        "epochs": epochs,
        "training_drift_kb": drift_kb(trained),
        "rss_kb": trained[-1],
    }


TRAIN_STEP = "distilmos_train"


def main(cmd=None) -> int:
    """Measure and print."""
    import os

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--most_mb", type=float, default=16, help="Drift that fails")
    args = parser.parse_args(cmd)
    with tempfile.TemporaryDirectory() as tmp:
        pipeline.preload()
        corpus = pipeline.make_corpus(Path(tmp) / "corpus")
        folder = Path(tmp) / "whole"
        pipeline.run_all(pipeline.steps(corpus), folder)
        os.chdir(folder)
        figures = measure(folder, args.clips, args.epochs, every=50)
        os.chdir("/")
    print(json.dumps(figures, indent=2))
    worst = max(figures["scoring_drift_kb"], figures["training_drift_kb"])
    return 1 if worst > 1024 * args.most_mb else 0


if __name__ == "__main__":
    sys.exit(main())
