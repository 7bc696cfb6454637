#!/usr/bin/env python3
"""What every start costs: `distilmos --help`, a first score, each stage on two clips.

Wall and CPU seconds of the process and its children, best of `--rounds`. Prints JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import make_set, upstream_conf
from scoring import make_model

REPO = Path(__file__).resolve().parents[2]


def run(command, cwd) -> dict:
    """Wall and CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - start, "cpu": cpu}


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    from espnet2_distilmos.utils.files import write_yaml

    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        raw = make_set(folder / "set", 12, 0.5, 0.6)
        write_yaml(folder / "tiny.yaml", upstream_conf(folder, "tiny"))
        (folder / "model").mkdir()
        make_model(folder / "model", "tiny")
        (folder / "base").mkdir()
        if not args.quick:
            make_model(folder / "base", "base")
        upstream = ["--upstream_config", "tiny.yaml"]
        exp, wav = "exp", raw / "wav.scp"
        one_clip = folder / "set/wav/u00000.wav"
        package = "espnet2_distilmos.bin."
        data = [
            x
            for part in ("train", "valid")
            for x in (
                f"--{part}_data_path_and_name_and_type",
                f"{wav},speech,sound",
                f"--{part}_data_path_and_name_and_type",
                f"{raw}/utt2mos,mos,text_float",
                f"--{part}_shape_file",
                "stats/speech_shape",
            )
        ]
        score = [f"{package}main", "score", one_clip, "--model"]
        commands = {
            "distilmos --help": [f"{package}main", "--help"],
            "first score, tiny upstream": [*score, "model/model.pth"],
            "first score, base upstream": [*score, "base/model.pth"],
            "1 format_audio": [
                *[f"{package}format_audio", "--data_dirs", folder / "set/data"],
                *["--output_dir", "raw_again"],
            ],
            "2 dump_layers": [
                *[f"{package}dump_layers", "--data_dir", raw],
                *["--output_dir", "frames", *upstream],
            ],
            "3 cluster_layers": [
                *[f"{package}cluster_layers", "--frames_dir", "frames"],
                *["--output_dir", "kmeans", "--n_clusters", "8"],
            ],
            "3 tokenize_layers": [
                *[f"{package}tokenize_layers", "--data_dirs", raw],
                *["--kmeans_dir", "kmeans", *upstream],
            ],
            "4 collect_stats": [
                *[f"{package}collect_stats", "--data_dir", raw],
                *["--output_dir", "stats"],
            ],
            "5 distilmos_train": [
                *[f"{package}distilmos_train", "--output_dir", exp, "--ngpu", "0"],
                *[*upstream, "--loss_conf", "token_weight=0", "--max_epoch", "1"],
                *["--num_workers", "0", "--num_att_plot", "0"],
                *["--use_matplotlib", "false", *data],
            ],
            "6 distilmos_inference": [
                *[f"{package}distilmos_inference", "--output_dir", "out"],
                *["--data_path_and_name_and_type", f"{wav},speech,sound"],
                *["--train_config", "model/config.yaml"],
                *["--model_file", "model/model.pth"],
            ],
            "6 distilmos_inference, sets": [
                *[f"{package}distilmos_inference", "--output_dir", "sets"],
                *["--data_dirs", raw, "--model_file", "model/model.pth"],
            ],
            "6 score_sets": [
                *[f"{package}score_sets", "--data_dirs", raw, "--hyp_dir", "sets"],
                *["--train_dir", raw, "--rows_dir", "rows", *upstream],
            ],
            "score_mos": [
                *[f"{package}score_mos", "--ref_utt2mos", raw / "utt2mos"],
                *["--hyp_utt2mos", "out/utt2mos", "--output", "scores.json"],
            ],
        }
        if args.quick:
            names = ("distilmos --help", "2 dump_layers", "3 cluster_layers")
            commands = {name: commands[name] for name in names}
        seconds = {name: run(command, folder) for name, command in commands.items()}
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
