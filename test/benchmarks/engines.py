#!/usr/bin/env python3
"""What a user of the scorer pays: disk, first score, clips a second, memory.

The model with torch, the same exported in each precision, and other predictors, each
in a fresh environment of its own (a folder that is thrown away), over the same files,
in turn, with one thread. The model has the network of a preset, Whisper tiny.en (real
weights) with heads that were never trained: they cost as much. Prints one line of JSON.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

# Nothing else: this file also runs where only the scorer without torch is installed,
# and what a process measures of its memory begins with that of its parent.
HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
PRESET = REPO / "conf/tuning/train_distilmos_whisper_tiny.yaml"
EXPORTED = "float32", "weights8", "int8"
OURS = "torch", *EXPORTED
# Row -> what is installed for it; {repo} is this package.
INSTALLS = {
    "torch": ["{repo}[torch]"],
    "float32": ["{repo}"],
    "weights8": ["{repo}"],
    "int8": ["{repo}"],
    "distillmos": ["distillmos", "soundfile"],
    "speechmos": ["speechmos", "librosa", "onnxruntime", "soundfile"],
}


def make_files(folder: Path, n_clips: int, whisper: bool) -> None:
    """Write the model, both exports and the clips; needs torch."""
    from types import SimpleNamespace

    import torch
    import yaml
    from scoring import make_clips, make_model

    from espnet2_distilmos.inference.export import export_model
    from espnet2_distilmos.model.network import build_network

    model = folder / "model"
    model.mkdir()
    if whisper:
        preset = yaml.safe_load(PRESET.read_text())
        conf = {
            "upstream": "hf_whisper_custom",
            "path_or_url": str(model / "whisper_tiny_en"),
            "release": "whisper_tiny_en",
            **preset["upstream_conf"],
        }
        options = preset["predictor_conf"]
        config = {"upstream_conf": conf, "predictor": "distilmos"}
        config["predictor_conf"] = options
        torch.manual_seed(0)
        network = build_network(conf, "distilmos", options)
        torch.nn.init.normal_(network.predictor.readout.output.weight, std=0.01)
        # As training does it: equal blocks would be in the exported files once.
        for value in network.upstream.parameters():
            if value.requires_grad:
                value.data.mul_(1.001)
        states = {f"network.{k}": v for k, v in network.state_dict().items()}
        torch.save(states, model / "model.pth")
        (model / "config.yaml").write_text(yaml.safe_dump(config))
    else:
        make_model(model, "tiny")
    clips = SimpleNamespace(n_clips=n_clips, min_seconds=2.0, max_seconds=6.0)
    (folder / "clips").mkdir()
    make_clips(folder / "clips", clips)
    for precision in EXPORTED:
        export_model(str(model), folder / f"{precision}.onnx", precision)


def score(row: str, model: str, clips: Path) -> Dict[str, float]:
    """Load a model and score; figures of this process from its start on."""
    paths = sorted(clips.glob("*.wav"))
    if row in OURS:
        from espnet2_distilmos import DistilMOSInference

        predictor = DistilMOSInference.from_pretrained(model, device="cpu")

        def work(some):
            return [result["mos"] for result in predictor.score_files(some)]

    else:
        sys.path.insert(0, str(HERE))
        from peers import PEERS

        one = PEERS[row]()

        def work(some):
            return [one(path) for path in some]

    work(paths[:1])
    first = time.process_time()
    work(paths)  # kernels of new lengths, memory
    start = time.process_time()
    work(paths)
    seconds = time.process_time() - start
    return {
        "first_score_cpu_s": first,
        "clips_a_cpu_s": len(paths) / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def make_environment(folder: Path, requirements: List[str]) -> str:
    """Make a fresh environment with packages; return why not, where it fails."""
    python = str(folder / "bin/python")
    uv = shutil.which("uv")
    commands = [[sys.executable, "-m", "venv", str(folder)]]
    commands += [[python, "-m", "pip", "install", "--quiet", *requirements]]
    if uv:
        commands = [[uv, "venv", "--quiet", "--python", sys.executable, str(folder)]]
        commands += [[uv, "pip", "install", "--quiet", "--python", python]]
        commands[-1] += requirements
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    return ""


def size_mb(folder: Path) -> float:
    """Megabytes of the files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.lstat().st_size for path in files) / 1e6


def run(python: str, *arguments: Any) -> Dict[str, float]:
    """Run this file in an environment; the figures that it prints."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTHONPATH", None)
    command = [python, __file__, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr[-2000:]}")
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--score", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(cmd)
    if args.make:
        folder, n_clips, whisper = args.make
        return make_files(Path(folder), int(n_clips), whisper == "True")
    if args.score:
        row, model, clips = args.score
        return print(json.dumps(score(row, model, Path(clips))))
    figures: Dict[str, Dict[str, float]] = {}
    missing: Dict[str, str] = {}
    n_clips, rounds = (3, 1) if args.quick else (12, 3)
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        run(sys.executable, "--make", folder, n_clips, not args.quick)
        pythons = {row: sys.executable for row in OURS}
        for row, what in {} if args.quick else INSTALLS.items():
            requirements = ["-c", str(REPO / "constraints.txt")]
            requirements += [text.format(repo=REPO) for text in what]
            # The same for both: two names of one environment.
            place = folder / ("float32" if row in EXPORTED else row)
            why = "" if place.exists() else make_environment(place, requirements)
            if why:
                missing[row] = why
                continue
            pythons[row] = str(place / "bin/python")
            # Before anything ran in it: without the byte code that Python writes.
            figures[row] = {"environment_mb": size_mb(place)}
        models = {"torch": folder / "model"}
        models |= {p: folder / f"{p}.onnx" for p in EXPORTED}
        for row, python in pythons.items():  # as at a second start of a user's
            if not args.quick:
                library = Path(python).parents[1] / "lib"
                command = [python, "-m", "compileall", "-q", library]
                subprocess.run(command, capture_output=True)
            run(python, "--score", row, models.get(row, "-"), folder / "clips")
        runs: Dict[str, List[Dict[str, float]]] = {row: [] for row in pythons}
        for _ in range(rounds):
            for row, python in pythons.items():
                model = models.get(row, "-")
                runs[row].append(run(python, "--score", row, model, folder / "clips"))
        for row, found in runs.items():
            for name in found[0]:
                value = statistics.median(x[name] for x in found)
                figures.setdefault(row, {})[name] = value
        for row, model in models.items():
            files = [model] if model.is_file() else [*model.rglob("*")]
            size = sum(f.stat().st_size for f in files if f.is_file())
            figures[row]["model_mb"] = size / 1e6
    print(json.dumps({"figures": figures, "missing": missing, "n_clips": n_clips}))
    return None


if __name__ == "__main__":
    main()
