#!/usr/bin/env python3
"""Run stages 1 to 6 on a disk that is full again and again.

    python test/faults/disk_full.py      # mounts a tmpfs: needs root

The disk starts with room for nothing and grows a little each time that a command fails.
Every failure must be exit code 1 with one line that says so, no traceback, and the end
must be that of a run with room. Says so, and ends with 77, where it must not mount.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults import pipeline

SKIPPED = 77
MOST = 200  # times


def fault_of(outcome: pipeline.Outcome, before: int) -> str:
    """What is wrong with how a command told that the disk is full; "" = nothing."""
    told = outcome.log[before:]
    if outcome.code != 1:
        return f"ended with {outcome.code}"
    if "Traceback" in told:
        return "has a traceback"
    if "make room" not in told:
        return "does not say why"
    return ""


def run_on_small_disk(corpus: Path, disk: Path, step_kb: int) -> Dict[str, Any]:
    """All stages; figures and what was wrong."""
    size, fulls, wrong = step_kb, {}, []
    log = pipeline.Outcome(0)
    for step in pipeline.steps(corpus):
        while True:
            before = len(log.log)
            log = pipeline.run_step(step, disk / "run", log=disk.parent / "steps.log")
            if log.code == 0:
                break
            fulls[step.name] = fulls.get(step.name, 0) + 1
            fault = fault_of(log, before)
            print(f"{step.name}: full at {size} kB {fault}", flush=True)
            if fault:
                wrong.append(f"{step.name} {fault}: {log.log[before:][-1500:]}")
            size += step_kb
            if sum(fulls.values()) > MOST:
                return {"full": fulls, "wrong": [*wrong, f"{step.name}: no end"]}
            remount = ["mount", "-o", f"remount,size={size}k", str(disk)]
            subprocess.run(remount, check=True)
    return {"full": fulls, "wrong": wrong}


def main(cmd=None) -> int:
    """Run it; 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step_kb", type=int, default=100, help="By which it grows")
    args = parser.parse_args(cmd)
    pipeline.preload()
    with tempfile.TemporaryDirectory() as tmp:
        disk = Path(tmp) / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={args.step_kb}k", "tmpfs"]
        done = subprocess.run([*mount, str(disk)], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"SKIPPED: no tmpfs can be mounted here: {done.stderr.strip()}")
            return SKIPPED
        try:
            (disk / "run").mkdir()
            corpus = pipeline.make_corpus(Path(tmp) / "corpus")
            pipeline.run_all(pipeline.steps(corpus), Path(tmp) / "whole")
            figures = run_on_small_disk(corpus, disk, args.step_kb)
            whole = pipeline.results(Path(tmp) / "whole")
            found = pipeline.results(disk / "run")
            figures["different"] = sorted(
                k for k in whole.keys() | found if whole.get(k) != found.get(k)
            )
            figures["left"] = pipeline.leftovers(disk / "run")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    print(json.dumps(figures, indent=2))
    return 1 if figures["wrong"] or figures["different"] or figures["left"] else 0


if __name__ == "__main__":
    sys.exit(main())
