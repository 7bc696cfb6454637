#!/usr/bin/env python3
"""Kill every stage at random points, go on, and compare with an uninterrupted run.

    python test/faults/kill.py --kills 60 --seed 0

A run goes through stages 1 to 6 on a few clips. In each stage a command is killed
(SIGKILL; every sixth time SIGTERM) before or shortly after a random operation on a
file: at an open, in a write, before a rename or removal. Then

- every file under its final name must be what the uninterrupted run has there;
- the stage is run again, sometimes killed again, and must succeed;
- shards that were whole must not have been made again;
- the results must be those of the uninterrupted run: frames, centroids, tokens, weights
  of all models, optimizer states, predictions and scores, byte by byte;
- no temporary file may be left.

Prints a line a kill and a summary as JSON; ends with 1 if any of this was not so.
"""

import argparse
import json
import pickle
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # this package, not an installed one

import yaml
from faults import pipeline

STAGES = range(1, 7)
SIGTERM_EVERY = 6
TWICE = 0.25  # how often the second run is killed too
# Written by ESPnet at each start of a training, under its final name.
NOT_ATOMIC = ("config.yaml",)


class Reference:
    """An uninterrupted run: its results after every stage, operations of each step."""

    def __init__(self, corpus: Path, folder: Path):
        self.steps = pipeline.steps(corpus)
        self.outcomes: List[pipeline.Outcome] = []
        self.after: Dict[int, Dict[str, Any]] = {}
        for stage in STAGES:
            self.outcomes += pipeline.run_all(self.of(stage), folder)
            self.after[stage] = pipeline.results(folder)

    def of(self, stage: int) -> List[pipeline.Step]:
        """The steps of a stage."""
        return [step for step in self.steps if step.stage == stage]


def choose(reference: Reference, stage: int, rng: random.Random, signum: int):
    """A step of a stage, and where to kill it: every operation is as likely."""
    pairs = [
        (step, n)
        for step, outcome in zip(reference.steps, reference.outcomes)
        if step.stage == stage
        for n in range(1, outcome.operations + 1)
    ]
    step, operation = rng.choice(pairs)
    # At once; within a write; or a while later, in a computation.
    delay = rng.choice([0.0, rng.uniform(0.0001, 0.003), rng.uniform(0.003, 0.3)])
    return step, pipeline.Kill(operation, delay, signum)


def half_written(folder: Path, expected: Dict[str, Any]) -> List[str]:
    """Files whose name the uninterrupted run has too, with another content."""
    wrong = []
    for name, content in expected.items():
        path = folder / name
        if path.name in NOT_ATOMIC or path.suffix == ".png" or path.is_symlink():
            continue
        if not path.exists():
            continue
        try:
            found = pipeline.result_of(path)
        except (RuntimeError, EOFError, pickle.UnpicklingError):
            wrong.append(name)
            continue
        if path.name == "training.yaml":
            # Written when a training begins; its end adds to it. Whole at any time.
            record = yaml.safe_load(path.read_text())
            if not isinstance(record, dict) or not record.get("request"):
                wrong.append(name)
        # A checkpoint may be of any epoch.
        elif path.name != "checkpoint.pth" and found != content:
            wrong.append(name)
    return wrong


def whole_shards(folder: Path) -> Dict[Path, Any]:
    """Stamp -> identity of the shards that are whole."""
    stamps = folder.glob("dump/ssl/**/shards/*/shard.yaml")
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in stamps}


class Trial:
    """A run through all stages that is killed in each."""

    def __init__(self, reference: Reference, folder: Path, rng: random.Random):
        self.reference, self.folder, self.rng = reference, folder, rng
        self.kills: Counter = Counter()  # (stage, signal) -> number
        self.shards_kept = 0
        self.problems: List[str] = []
        folder.mkdir(parents=True)

    def run(self, signals: Dict[int, int]) -> None:
        """Go through the stages; `signals` says with what each is killed."""
        for stage in STAGES:
            steps = self.reference.of(stage)
            if stage in signals:
                self._run_killed(stage, signals[stage])
                if self.rng.random() < TWICE:
                    self._run_killed(stage, signal.SIGKILL)
            before = whole_shards(self.folder)
            for step in steps:
                outcome = pipeline.run_step(step, self.folder)
                if outcome.code != 0:
                    self._problem(stage, f"{step.name} failed: {outcome.log[-1500:]}")
                    return
                for stamp, identity in before.items():
                    if whole_shards(self.folder).get(stamp, identity) != identity:
                        self._problem(stage, f"{stamp} was made again")
            self.shards_kept += len(before)
            self._compare(stage)

    def _run_killed(self, stage: int, signum: int) -> None:
        """Run a stage up to a kill; a point that is not reached is chosen again."""
        while True:
            victim, kill = choose(self.reference, stage, self.rng, signum)
            for step in self.reference.of(stage):
                aim = kill if step is victim else None
                outcome = pipeline.run_step(step, self.folder, aim)
                if step is victim:
                    break
            if outcome.code == -signum:
                break
            # It had come to its end, or there was less to do the second time.
            if outcome.code != 0:
                self._problem(stage, f"{victim.name}: {outcome.code} {outcome.log}")
                return
            if victim is self.reference.of(stage)[-1]:
                return
        self.kills[stage, signal.Signals(signum).name] += 1
        print(
            f"stage {stage} {victim.name} {signal.Signals(signum).name} at operation "
            f"{kill.operation} + {1000 * kill.delay:.1f} ms",
            flush=True,
        )
        for name in half_written(self.folder, self.reference.after[stage]):
            self._problem(stage, f"{name} is not whole after {victim.name} {kill}")

    def _compare(self, stage: int) -> None:
        expected, found = self.reference.after[stage], pipeline.results(self.folder)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                self._problem(stage, f"{name} is not that of the uninterrupted run")
        for name in pipeline.leftovers(self.folder):
            self._problem(stage, f"{name} was left")

    def _problem(self, stage: int, text: str) -> None:
        self.problems.append(f"stage {stage}: {text}")
        print(f"PROBLEM: stage {stage}: {text}", flush=True)


def kill_stages(
    folder: Path,
    kills: int,
    seed: int = 0,
    stages: Optional[List[int]] = None,
    reference: Optional[Reference] = None,
) -> Dict[str, Any]:
    """Runs with kills until there were `kills` SIGKILLs; returns the figures.

    Args:
        folder: to work in, empty.
        kills: how many.
        seed: of the points.
        stages: that are killed, in turn; None = all.
        reference: the uninterrupted run; None = one is made.
    """
    if reference is None:
        corpus = pipeline.make_corpus(folder / "corpus")
        reference = Reference(corpus, folder / "whole")
    total: Counter = Counter()
    problems: List[str] = []
    runs = shards = n = 0
    wanted = list(stages or STAGES)
    while sum(v for (_, name), v in total.items() if name == "SIGKILL") < kills:
        signals = {}
        for stage in wanted[:kills]:
            n += 1
            term = n % SIGTERM_EVERY == 0
            signals[stage] = signal.SIGTERM if term else signal.SIGKILL
        trial = Trial(reference, folder / f"run{runs}", random.Random(f"{seed} {runs}"))
        trial.run(signals)
        total += trial.kills
        problems += trial.problems
        shards += trial.shards_kept
        runs += 1
        if not trial.problems:
            shutil.rmtree(trial.folder)
    by_signal: Counter = Counter()
    for (_, name), count in total.items():
        by_signal[name] += count
    return {
        "seed": seed,
        "runs": runs,
        "kills": dict(by_signal),
        "kills_by_stage": {
            s: sum(v for k, v in total.items() if k[0] == s) for s in STAGES
        },
        "whole_shards_kept": shards,
        "files_compared": len(reference.after[STAGES[-1]]),
        "problems": problems,
    }


def main(cmd=None) -> int:
    """Run the harness; 1 if there was a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="SIGKILLs, at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="To work in (default: temporary)")
    args = parser.parse_args(cmd)
    pipeline.preload()
    with tempfile.TemporaryDirectory() as tmp:
        figures = kill_stages(args.folder or Path(tmp), args.kills, args.seed)
    print(json.dumps(figures, indent=2))
    return 1 if figures["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
