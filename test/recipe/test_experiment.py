"""The experiment from end to end: two runs, the tiniest upstream, made-up speech."""

import json
import logging
import os
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import yaml
from made_speech import speech_like
from tiny_upstreams import RECIPE_UPSTREAM as UPSTREAM

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from mini_mos.bin import report_experiment, run_experiment

REPO = Path(__file__).parents[2]
RECIPE = REPO / "egs2/mini_mos/distilmos1"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODELS = ("sslmos", "spectral_statistics")


def one_point(model: dict) -> dict:
    return {**model, "grid": {k: v[:1] for k, v in model["grid"].items()}}


def make_set(folder: Path, name: str, clips: range) -> None:
    wavs = {}
    for i in clips:
        utt = f"spk-sys{i % 4}-p{i}"
        path = folder / f"wav/{utt}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, speech_like(i, 1.0), 16000)
        wavs[utt] = str(path)
    wavs = dict(sorted(wavs.items()))
    mos = {utt: 1 + (n * 7) % 5 * 0.8 for n, utt in enumerate(wavs)}
    systems = {utt: utt.split("-")[1] for utt in wavs}
    DataDir(wavs, mos, systems).save(folder / "data" / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe folder with its data, and a protocol of one network and the trees."""
    folder = tmp_path_factory.mktemp("experiment") / "distilmos1"
    folder.mkdir()
    (folder / "path.sh").symlink_to(REPO / "path.sh")
    for name in ("cmd.sh", "distilmos.sh"):
        shutil.copy(RECIPE / name, folder)
    for name in ("conf", "utils"):
        shutil.copytree(RECIPE / name, folder / name)
    (folder / "local").mkdir()
    (folder / "local/data.sh").write_text("#!/bin/sh\n")  # the data is there
    (folder / "local/data.sh").chmod(0o755)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(UPSTREAM))
    make_set(folder, "tune_train", range(8))
    for n, name in enumerate(("tune_valid", "dev_speaker", "dev_system")):
        make_set(folder, name, range(8 + 4 * n, 12 + 4 * n))
    plan = yaml.safe_load((folder / "conf/experiment.yaml").read_text())
    plan["models"] = {m: one_point(plan["models"][m]) for m in MODELS}
    plan |= {"upstream": "tiny.yaml", "seeds": [0], "comparisons": [list(MODELS)]}
    plan["ablations"]["model"] = "sslmos"
    plan["budget"] = {"max_epoch": 1, "num_workers": 0}
    plan["steps_per_epoch"] = dict.fromkeys(plan["steps_per_epoch"], 2)
    plan["small_sizes"] = list(MODELS)
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return folder


def test_two_runs_are_done_once_and_reported(folder, monkeypatch, caplog, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DISTILMOS_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", f"{REPO}:{os.environ.get('PYTHONPATH', '')}")
    caplog.set_level(logging.INFO)
    options = ["--protocol", "plan.yaml", "--nj", "2"]
    run_experiment.main([*options, "--phases", "tune"])

    exp = Path("exp/experiment")
    chosen = yaml.safe_load((exp / "chosen.yaml").read_text())
    only = {"upstream_lr": 0.0003, "optim_conf.lr": 0.001}  # the one point of the grid
    assert chosen["sslmos"] == only
    scores = json.loads((exp / "scores.json").read_text())
    assert sorted(r["model"] for r in scores["runs"]) == sorted(MODELS)
    for run in scores["runs"]:
        assert set(run["predictions"]) == {"tune_valid", "dev_speaker", "dev_system"}
        assert all(len(values) == 4 for values in run["predictions"].values())
    network = next(r for r in scores["runs"] if r["model"] == "sslmos")
    assert network["history"]["1"]["train"]["mos_loss"] > 0
    trained = exp / "runs" / network["name"] / "mos_model"
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert (config["seed"], config["max_epoch"], config["upstream_lr"]) == (
        100,
        1,
        0.0003,
    )
    # The rest of the plan is known, and not done.
    n_changes = 1 + len(list(Path("conf/tuning/ablation").glob("*.yaml")))
    n_missing = len(scores["missing"])
    assert n_missing == 2 * 3 + 2 * n_changes

    before = {p: p.stat().st_mtime_ns for p in exp.glob("runs/*/done.yaml")}
    assert len(before) == 2
    run_experiment.main([*options, "--phases", "tune"])
    assert before == {p: p.stat().st_mtime_ns for p in exp.glob("runs/*/done.yaml")}

    report_experiment.main(["--protocol", "plan.yaml", "--output_dir", "report"])
    page = capsys.readouterr().out
    assert (
        f"2 runs are done (tune 2, main 0, ablate 0), {n_missing} are missing" in page
    )
    assert "Not run yet." in page
    assert Path("report/report.md").read_text().strip() == page.strip()


def test_a_failed_run_is_named_and_the_others_stay(folder, monkeypatch):
    monkeypatch.chdir(folder)
    broken = yaml.safe_load(Path("plan.yaml").read_text())
    broken["tuning_seeds"] = [100, 101]
    Path("broken.yaml").write_text(yaml.safe_dump(broken))
    script = Path("distilmos.sh").read_text()
    Path("distilmos.sh").write_text("#!/bin/sh\necho 'Error: no luck'\nexit 3\n")
    try:
        with pytest.raises(UserError, match="ended with code 3: Error: no luck"):
            run_experiment.main(["--protocol", "broken.yaml", "--phases", "tune"])
    finally:
        Path("distilmos.sh").write_text(script)
    assert len(list(Path("exp/experiment/runs").glob("*/done.yaml"))) >= 2
