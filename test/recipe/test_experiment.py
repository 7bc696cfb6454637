"""The experiment from end to end: eight runs, the tiniest upstream, made-up speech."""

import json
import logging
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import yaml
from made_speech import speech_like
from tiny_upstreams import RECIPE_UPSTREAM as UPSTREAM

from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from mini_mos.bin import measure_forgetting, report_experiment, run_experiment

REPO = Path(__file__).parents[2]
RECIPE = REPO / "egs2/mini_mos/distilmos1"
TESTS = ("test", "test_speaker", "test_system")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


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
    target = folder / "data/experiment" / name
    DataDir(wavs, mos, systems).save(target)
    write_lines(target / "utt2prompt", {utt: utt.split("-")[2] for utt in wavs})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe folder with the sets of development, and a protocol of two arms."""
    folder = tmp_path_factory.mktemp("experiment") / "distilmos1"
    folder.mkdir()
    (folder / "path.sh").symlink_to(REPO / "path.sh")
    for name in ("cmd.sh", "distilmos.sh"):
        shutil.copy(RECIPE / name, folder)
    for name in ("conf", "utils"):
        shutil.copytree(RECIPE / name, folder / name)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(UPSTREAM))
    make_set(folder, "tune_train", range(12))
    make_set(folder, "train", range(12))
    others = ("tune_valid", "dev_speaker", "dev_system", "final_valid", *TESTS)
    for n, name in enumerate(others):
        make_set(folder, name, range(12 + 5 * n, 17 + 5 * n))
    plan = yaml.safe_load((folder / "conf/experiment.yaml").read_text())
    plan |= {"upstream": "tiny.yaml", "n_clusters": 4, "max_frames": 300}
    plan["steps"] = {"development": 2, "final": 2}
    plan["phases"] = {
        "weight": {"arms": ["tokens_0.1"], "seeds": [100]},
        "pilot": {"arms": ["no_tokens", "tokens"], "seeds": [100, 101]},
        "final": {"arms": ["no_tokens"], "seeds": [0, 1]},
        "final_more": {"arms": ["tokens"], "seeds": [0, 1]},
    }
    plan["power"]["seeds"] = [2, 2]
    for planned in plan["power"]["sets"].values():
        planned |= {"systems": 4, "prompts": 5, "clips": 5}
    plan["least_token_acc"] = 0.0
    plan["choices"] = {"tokens": ["tokens_0.1"]}
    plan["rows"] = ["linear_probe_tiny"]
    plan["pairs"] = [["tokens", "no_tokens"], ["tokens", "linear_probe_tiny"]]
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    return folder


@pytest.fixture
def inside(folder, monkeypatch, caplog):
    """The recipe folder as working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DISTILMOS_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", f"{REPO}:{os.environ.get('PYTHONPATH', '')}")
    caplog.set_level(logging.INFO)
    return folder


def test_runs_are_done_once_chosen_and_reported(inside, caplog, capsys):
    options = ["--protocol", "plan.yaml", "--nj", "2", "--phases", "weight", "pilot"]
    run_experiment.main(options)

    exp = Path("exp/experiment")
    scores = json.loads((exp / "scores.json").read_text())
    assert scores["chosen"] == {"tokens": "tokens_0.1"}
    assert "frozen" not in scores
    done = sorted((run["arm"], run["seed"]) for run in scores["runs"])
    assert done == [(arm, s) for arm in ("no_tokens", "tokens_0.1") for s in (100, 101)]
    for run in scores["runs"]:
        assert set(run["predictions"]) == {"tune_valid", "dev_speaker", "dev_system"}
        assert all(len(values) == 5 for values in run["predictions"].values())
        kept = {"token_acc", "token_kept"} if run["arm"] == "tokens_0.1" else set()
        assert set(run["tokens"]) == {"epoch", *kept}
    assert set(scores["rows"]) == {
        "linear_probe_tiny",
        "log_mel_statistics",
        "spectral_statistics",
    }
    config = exp / "development/mos_no_tokens_s101/config.yaml"
    trained = yaml.safe_load(config.read_text())
    assert (trained["seed"], trained["num_iters_per_epoch"]) == (101, 2)
    assert trained["scheduler_conf"]["max_steps"] == 8

    stamps = {p: p.stat().st_mtime_ns for p in exp.glob("*/mos_*/done.yaml")}
    assert len(stamps) == 4
    run_experiment.main(options)
    assert stamps == {p: p.stat().st_mtime_ns for p in exp.glob("*/mos_*/done.yaml")}
    assert "pilot: 0 of 4 runs to do" in caplog.text

    measure_forgetting.main(["--protocol", "plan.yaml", "--output", "forgetting.json"])
    report = ["--protocol", "plan.yaml", "--output_dir", "report"]
    report_experiment.main([*report, "--forgetting", "forgetting.json"])
    page = capsys.readouterr().out
    assert "| no_tokens " in page and "| dev_system " in page
    assert re.search(r"\| dev_system +\| tokens_0.1 +\| linear_probe_tiny +\|", page)
    assert "| pretrained " in page and "## Final runs\n\nNot run yet." in page
    assert Path("report/report.md").read_text().strip() == page.strip()
    pictures = ("power", "forgetting_development")
    assert all(Path(f"report/{name}.png").exists() for name in pictures)


def test_runs_that_were_done_elsewhere_are_taken_over(inside, caplog):
    """With the scores of another place, nothing of the same settings is trained."""
    known = ["--known", "exp/experiment/scores.json"]
    elsewhere = ["--protocol", "plan.yaml", "--expdir", "exp/elsewhere"]
    run_experiment.main([*elsewhere, *known, "--phases", "pilot"])
    assert not list(Path("exp/elsewhere").glob("*/mos_*"))
    assert "left out" not in caplog.text  # not even while choices are unknown
    first, second = (
        json.loads(Path(f"exp/{name}/scores.json").read_text())
        for name in ("experiment", "elsewhere")
    )
    for scores in (first, second):
        del scores["environment"]  # has the time
    assert first == second
    # Of a plan in which a training is another, what is known of it counts no more.
    plan = yaml.safe_load(Path("plan.yaml").read_text())
    plan["arms"]["no_tokens"]["args"] = "--upstream_lr 0.00002"
    del plan["phases"]["final"], plan["phases"]["final_more"]
    plan["power"]["seeds"] = [2, 2]
    Path("changed.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    changed = ["--protocol", "changed.yaml", "--expdir", "exp/changed", *known]
    run_experiment.main([*changed, "--phases", "weight"])
    assert "2 known runs of other settings, labels or upstream left out" in caplog.text


def test_test_sets_are_predicted_under_a_frozen_plan(inside):
    """Anyone may go on: of what development has chosen, only the scores are here."""
    shutil.copy("exp/experiment/scores.json", "known.json")
    options = ["--protocol", "plan.yaml", "--expdir", "exp/final", "--known"]
    run_experiment.main([*options, "known.json", "--phases", "final"])
    scores = json.loads(Path("exp/final/scores.json").read_text())
    done, _ = [run for run in scores["runs"] if run["part"] == "final"]
    assert set(done["predictions"]) == {"final_valid", *TESTS}
    arms = ("no_tokens", "tokens_0.1")
    planned = {f"{arm}_s{seed}" for arm in arms for seed in (0, 1)}
    assert set(scores["frozen"]["runs"]) == planned
    assert {run["arm"] for run in scores["runs"]} == {"no_tokens", "tokens_0.1"}
    page = Path("report/report.md")
    report = ["--protocol", "plan.yaml", "--output_dir", "report", "--scores"]
    report_experiment.main([*report, "exp/final/scores.json"])
    shown = page.read_text().split("## Final runs")[1]
    assert "2 planned runs of the hypotheses still to do" in shown and "|" not in shown
    # Nor by stage 6, which makes the rows to compare with.
    assert not Path("exp/final/final/reference_rows").exists()
    run_experiment.main([*options, "known.json", "--phases", "final_more"])
    report_experiment.main([*report, "exp/final/scores.json"])
    shown = page.read_text().split("## Final runs")[1]
    assert "| no_tokens " in shown and "| test_speaker " in shown
    assert "| linear_probe_tiny " in shown and "Of the hypotheses, 97.5% int" in shown
    assert "### Seeds of the first pair" in shown
    # On the pages of single sets there are no other p, by another correction.
    assert " p " not in Path("report/test_speaker.md").read_text()

    plan = yaml.safe_load(Path("plan.yaml").read_text())
    plan["steps"]["final"] = 3
    Path("other.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    shutil.copy("exp/final/scores.json", "known.json")
    options = ["--protocol", "other.yaml", "--expdir", "exp/third", "--known"]
    with pytest.raises(UserError, match="test sets were predicted with other settings"):
        run_experiment.main([*options, "known.json", "--phases", "final_more"])


def test_a_failed_run_is_named_and_the_others_stay(inside):
    broken = yaml.safe_load(Path("plan.yaml").read_text())
    broken["phases"]["pilot"]["seeds"] = [100, 102]
    Path("broken.yaml").write_text(yaml.safe_dump(broken, sort_keys=False))
    script = Path("distilmos.sh").read_text()
    Path("distilmos.sh").write_text("#!/bin/sh\necho 'Error: no luck'\nexit 3\n")
    try:
        with pytest.raises(UserError, match="ended with code 3: Error: no luck"):
            run_experiment.main(["--protocol", "broken.yaml", "--phases", "pilot"])
    finally:
        Path("distilmos.sh").write_text(script)
    assert len(list(Path("exp/experiment/development").glob("*/done.yaml"))) == 4
    kept = json.loads(Path("exp/experiment/scores.json").read_text())["runs"]
    assert {run["seed"] for run in kept} == {100}  # what is done of this plan
