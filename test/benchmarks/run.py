#!/usr/bin/env python3
"""All benchmarks, one after the other; writes their JSON, tables and plot.

    python test/benchmarks/run.py                 # under 15 minutes on 2 quiet cores
    python test/benchmarks/run.py --quick         # sizes that say nothing: is it whole?
    python test/benchmarks/run.py --only trainer peers

Figures go to --output_dir (results.json, growth.png), where --only replaces those of
the benchmarks that it names. With --doc FILE the tables replace what stands there
between the lines `<!-- benchmark NAME -->` and `<!-- end -->`, and the plot goes to
images/ beside it. Each benchmark is a process of its own, with one thread.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

# Name -> script and its options, in full and with --quick.
BENCHMARKS = {
    "tokenization": ("tokenization.py", [], ["--quick"]),
    "training_step": ("training_step.py", [], ["--quick"]),
    "trainer": ("trainer.py", [], ["--quick"]),
    "scoring": (
        "scoring.py",
        ["--n_clips", "16", "--skip_padded"],
        ["--n_clips", "4", "--size", "tiny", "--skip_padded"],
    ),
    "peers": ("peers.py", [], ["--quick"]),
    "engines": ("engines.py", [], ["--quick"]),
    "startup": ("startup.py", [], ["--quick"]),
    "growth": ("growth.py", [], ["--quick"]),
}
# Their wheels hold the weights. librosa and scipy come with ESPnet.
PEERS = ["distillmos", "xls-r-sqa", "speechmos", "onnxruntime"]
PEERS += ["flatbuffers", "protobuf"]  # of onnxruntime


def get_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=[*BENCHMARKS])
    parser.add_argument("--output_dir", type=Path, default=HERE / "results")
    parser.add_argument("--doc", type=Path, help="e.g. doc/performance.md")
    return parser


def install_peers(folder: Path) -> str:
    """Put the peers into a folder that is thrown away; why not, where it fails."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", str(folder), *PEERS], capture_output=True, text=True
    )
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def run_one(name: str, quick: bool, peers: Path) -> dict:
    """The benchmark's figures, and how long it took."""
    script, full, short = BENCHMARKS[name]
    path = [str(HERE.parents[1]), *([str(peers)] if name == "peers" else [])]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(HERE / script), *(short if quick else full)],
        env=env,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"run.py: error: {name} failed:\n{done.stderr[-3000:]}")
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    return {**figures, "took_seconds": round(time.perf_counter() - start, 1)}


def main(cmd=None) -> None:
    """Run, write, and print the tables."""
    args = get_parser().parse_args(cmd)
    from common import machine
    from report import plot_growth, tables, write_into

    file = args.output_dir / "results.json"
    saved = json.loads(file.read_text()) if file.exists() else {}
    here = machine()
    same = {**saved.get("machine", {}), "load_at_start": here["load_at_start"]} == here
    # What --only does not name stays as it was, if it goes with the rest.
    results = saved if same and saved["quick"] == args.quick else {}
    results |= {"machine": here, "quick": args.quick}
    args.output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        if "peers" in args.only:
            results["peers_not_installed"] = install_peers(Path(tmp))
        for name in args.only:
            print(f"{name}...", file=sys.stderr, flush=True)
            results[name] = run_one(name, args.quick, Path(tmp))
            file.write_text(json.dumps(results, indent=2) + "\n")
    if "growth" in results:
        plot_growth(results["growth"]["curves"], args.output_dir / "growth.png")
    made = tables(results)
    print("\n\n".join(made.values()))
    if args.doc:
        if args.quick:
            raise SystemExit("run.py: error: --quick says nothing; no --doc with it")
        write_into(args.doc, made)
        if "growth" in results:
            image = args.doc.parent / "images/performance_growth.png"
            shutil.copyfile(args.output_dir / "growth.png", image)


if __name__ == "__main__":
    main()
