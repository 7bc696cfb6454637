#!/usr/bin/env python3
"""Run stages 1 to 6 under other conditions and compare the results byte by byte.

    python test/faults/determinism.py

Conditions: once more; another PYTHONHASHSEED; 2 and 4 threads (OMP_NUM_THREADS); 1 and
3 jobs. Each is a process of its own. Ends with 1 if a file differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from faults import pipeline

VARIANTS = {
    "again": {},
    "hash seed 12345": {"PYTHONHASHSEED": "12345"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "4 threads": {"OMP_NUM_THREADS": "4"},
    "1 job": {"nj": "1"},
    "3 jobs": {"nj": "3"},
}


def run_variant(corpus: Path, folder: Path, **conditions: str) -> None:
    """All stages in a new process; `conditions` are its environment, and `nj`."""
    nj = conditions.pop("nj", "2")
    env = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", **conditions}
    subprocess.run(
        [sys.executable, __file__, "--corpus", corpus, "--run", folder, "--nj", nj],
        env={**os.environ, **env},
        check=True,
    )


def differences(a: Path, b: Path) -> List[str]:
    """Name the files that differ."""
    first, second = map(pipeline.results, (a, b))
    return sorted(k for k in first.keys() | second if first.get(k) != second.get(k))


def main(cmd=None) -> int:
    """Run the variants; 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="With --run")
    parser.add_argument("--run", type=Path, help="Run the stages once, in this folder")
    parser.add_argument("--nj", type=int, default=2)
    args = parser.parse_args(cmd)
    if args.run is not None:
        pipeline.preload()
        pipeline.run_all(pipeline.steps(args.corpus, args.nj), args.run)
        return 0
    found: Dict[str, List[str]] = {}
    with tempfile.TemporaryDirectory() as tmp:
        corpus = pipeline.make_corpus(Path(tmp) / "corpus")
        whole = Path(tmp) / "whole"
        run_variant(corpus, whole)
        for i, (name, conditions) in enumerate(VARIANTS.items()):
            folder = Path(tmp) / f"v{i}"
            run_variant(corpus, folder, **conditions)
            found[name] = differences(whole, folder)
            print(f"{name}: {len(found[name])} files differ", flush=True)
    print(json.dumps({"differences": found}, indent=2))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
