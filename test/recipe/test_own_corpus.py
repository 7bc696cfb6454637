"""A CSV of one's own from setup.sh to RESULTS.md, and sets of other corpora.

The tests run in the order of the file: later ones go on where the first run ended.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from hostile import IDS, PATHS, harmed
from tiny_upstreams import RECIPE_UPSTREAM as UPSTREAM

from espnet2_distilmos.packs.card import metadata
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.folder import unpack
from espnet2_distilmos.scoring.calibration import fit_calibration
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.files import read_yaml

REPO = Path(__file__).parents[2]
SETUP = REPO / "egs2/TEMPLATE/distilmos1/setup.sh"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def write_clip(path: Path, i: int, rate: int = 16000) -> float:
    """Noise in bursts, louder with `i`; returns a score between 1 and 5."""
    rng = np.random.default_rng(i)
    t = np.arange(int(0.8 * rate)) / rate
    x = 0.01 * (1 + i % 10) * rng.standard_normal(len(t))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x * (np.sin(2 * np.pi * 3 * t) > 0), rate)
    return round(1 + 4 * (i % 10) / 9, 2)


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """A folder with a CSV of 30 clips, and two other corpora beside the new one.

    `ready` has data dirs with relative paths; `lazy` makes its own when asked.
    """
    top = tmp_path_factory.mktemp("own")
    lines = ["wav,mos"]
    for i in range(30):
        mos = write_clip(top / f"my wavs/clip {i}.wav", i, (16000, 22050)[i % 2])
        lines.append(f"my wavs/clip {i}.wav,{mos}")
    (top / "scores.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    for corpus in ("ready", "lazy"):
        recipe = top / f"egs2/{corpus}/distilmos1"
        # No ID or path may mean anything to a shell.
        wavs = {
            f"{IDS[i % len(IDS)]}{corpus}{i:02d}": f"downloads/{name}{i}.wav"
            for i, name in zip(range(20), PATHS * 5)
        }
        mos = {u: write_clip(recipe / p, i) for i, (u, p) in enumerate(wavs.items())}
        systems = {u: f"s{i % 10}" for i, u in enumerate(wavs)}
        (recipe / "local").mkdir()
        made = recipe / ("data" if corpus == "ready" else "kept")
        DataDir(wavs, mos, systems).save(made / "test")
        script = recipe / "local/data.sh"
        script.write_text("#!/bin/sh\ncp -r kept data\n")
        script.chmod(0o755)
    (top / "egs2/lazy/distilmos1/local/labels.yaml").write_text(
        "labels: [{corpus: lazy, kind: objective, name: PESQ}]\n"
    )
    done = subprocess.run(
        [SETUP, "egs2/mine/distilmos1"], cwd=top, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (top / "egs2/mine/distilmos1/tiny.yaml").write_text(yaml.safe_dump(UPSTREAM))
    return top


def run(top, *args):
    options = {
        "preset": "mini",
        "upstream": "tiny.yaml",
        "n_clusters": "10",
        "train_args": "--max_epoch 2 --min_steps 12 --num_workers 0"
        " --predictor_conf hidden_size=16",
        "tag": "tiny",
        "inference_nj": "1",
    }
    cmd = [x for name, value in options.items() for x in (f"--{name}", value)]
    return subprocess.run(
        ["./run.sh", *cmd, *args],
        cwd=top / "egs2/mine/distilmos1",
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


EXP = "egs2/mine/distilmos1/exp"
DATA = "egs2/mine/distilmos1/data"
SCORED = f"{EXP}/mos_tiny/inference_valid.mos_loss.ave"


def one_table(top):
    """Cells of the models' rows of the first table of RESULTS.md."""
    text = (top / EXP / "RESULTS.md").read_text()
    rows = text[text.index("## In one table") :].split("\n\n")[1].splitlines()
    cells = [[c.strip() for c in r.strip("|").split(" | ")] for r in rows[2:]]
    return [r for r in cells if "*" not in r[2]]


def test_thirty_clips_train_score_and_report(top):
    """All stages; tested on its own test set and on one of another corpus."""
    sets = "test ready/test"
    labels = ("--label_kind", "objective", "--label_name", "my measure")
    done = run(top, "--csv", str(top / "scores.csv"), "--test_sets", sets, *labels)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    logs = done.stdout + done.stderr
    assert "scores.csv: 30 clips, 0.4 min, scores 1 to 5" in logs
    assert "test and valid were drawn by clip, spread over the scores" in logs
    results = (top / EXP / "RESULTS.md").read_text()
    assert "Labels: **objective: my measure, not human ratings**" in results
    assert "## test (objective: my measure, not human ratings)" in results
    # Part of the checkpoint from stage 5 on.
    config = yaml.safe_load((top / EXP / "mos_tiny/config.yaml").read_text())
    assert config["label_conf"] == [
        {
            "corpus": "mine",
            "kind": "objective",
            "name": "my measure",
            "scale": [1.0, 5.0],
        }
    ]
    assert "| utterance      | mos_tiny" in results
    scores = json.loads((top / SCORED / "test/scores.json").read_text())
    assert scores["n_utt"] == 5
    # The last thing that is said, on the screen as in the file.
    said = results[results.index("## Better than a constant?") :].strip().splitlines()
    assert said[4].startswith("- test: mos_tiny is ") and "the constant" in said[4]
    assert said[5].startswith("- ready/test: mos_tiny is ")
    assert all(line in done.stdout for line in said[4:])
    config = yaml.safe_load((top / EXP / "mos_tiny/config.yaml").read_text())
    assert config["num_iters_per_epoch"] == 6
    assert config["scheduler_conf"]["max_steps"] == 12
    labels = [float(x.split()[1]) for x in open(top / DATA / "train/utt2mos")]
    mean = config["predictor_conf"]["label_mean"]
    assert mean == pytest.approx(np.mean(labels), abs=1e-5)
    constant = read_floats(top / EXP / "reference_rows/constant/test/utt2mos")
    assert list(constant.values()) == pytest.approx([mean] * 5, abs=1e-5)


def test_another_corpus_is_marked_and_scored_twice(top):
    results = (top / EXP / "RESULTS.md").read_text()
    assert "## ready/test (out of domain; labels of ready)" in results
    table = one_table(top)
    assert [r[:4] for r in table] == [
        ["test", "in", "mos_tiny", "5"],
        ["ready/test", "out", "mos_tiny", "20"],
        ["ready/test", "out", "mos_tiny @-26dB", "20"],
    ]
    assert all(r[6] == "10" and r[7] != "–" for r in table[1:])
    for dset in ("test", "ready/test", "ready/test@-26dB"):
        assert (top / SCORED / dset / "scatter.png").stat().st_size > 0


def test_a_trained_model_is_scored_on_a_corpus_that_was_not_prepared(top):
    """Stage 6 alone: the other recipe makes its data, which are formatted, scored."""
    more = ("--level_sets", "none", "--reference_rows", "false")
    done = run(top, "--stage", "6", "--test_sets", "lazy/test", *more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "../../lazy/distilmos1/data/test is not there: " in done.stdout
    results = (top / EXP / "RESULTS.md").read_text()
    heading = "## lazy/test (out of domain; objective: PESQ, not human ratings)"
    assert heading in results
    assert [r[:4] for r in one_table(top)] == [["lazy/test", "out", "mos_tiny", "20"]]
    # The same audio as in the corpus `ready`: the same scores, wherever it lies.
    first, second = (
        [x.split()[1] for x in (top / SCORED / d / "utt2mos").read_text().splitlines()]
        for d in ("ready/test", "lazy/test")
    )
    assert first == second
    assert not harmed(top)


@pytest.mark.parametrize(
    "args, message",
    [
        (["--stage", "1"], "--csv FILE is needed"),
        (["--csv", "none.csv"], "none.csv: cannot be read"),
        (
            ["--stage", "6", "--test_sets", "nobody/test"],
            "no recipe for corpus 'nobody', there are: lazy mine ready",
        ),
        (
            ["--stage", "6", "--test_sets", "lazy/dev"],
            "../../lazy/distilmos1/local/data.sh makes no such set, there are: test",
        ),
        (
            ["--stage", "6", "--level_sets", "ready/test"],
            "--level_sets: ready/test is none of the test sets (test)",
        ),
    ],
)
def test_mistakes_are_named(top, args, message):
    done = run(top, *args)
    assert done.returncode != 0
    assert message in done.stderr, done.stderr[-2000:]


def test_a_bad_csv_is_one_line(top):
    (top / "bad.csv").write_text("wav,mos\nmy wavs/clip 0.wav,n/a\nnone.wav,3\n")
    done = run(top, "--csv", str(top / "bad.csv"))
    assert done.returncode != 0
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert "2 bad lines, 0 good ones: line 2: 'n/a' is not a number" in line
    assert "line 3: " in line and "none.wav: no such file" in line
    assert "Traceback" not in done.stderr


def test_scores_are_calibrated_on_the_validation_set(top):
    """A checkpoint of its own, named in the table; the other stays as it is."""
    more = ("--stage", "6", "--stop_stage", "7", "--calibrate", "true")
    done = run(top, *more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tag = top / f"{SCORED}.calibrated"
    record = read_yaml(top / EXP / "mos_tiny/valid.mos_loss.ave.calibrated.yaml")
    record = record["calibration"]
    plain, mapped = (read_floats(d / "test/utt2mos") for d in (top / SCORED, tag))
    for utt, value in plain.items():
        expected = record["intercept"] + record["slope"] * value
        assert mapped[utt] == pytest.approx(expected, abs=1e-4)
    # Fitted on the validation set: no clip of the test set had a part in it.
    fitted = fit_calibration(
        read_floats(top / DATA / "valid/utt2mos"),
        read_floats(tag / "calibration/valid/utt2mos"),
    )
    assert record["n_utt"] == 5 and record["slope"] == pytest.approx(fitted.slope)
    results = (top / EXP / "RESULTS.md").read_text()
    row = "mos_tiny/inference_valid.mos_loss.ave.calibrated"
    assert f"## How it was scored\n\n- {row}: {record['told']}\n" in results
    assert f"- test: {row} is " in results and "calibration/valid" not in results
    packed = EXP + "/mos_tiny/mos_tiny_valid.mos_loss.ave.calibrated.zip"
    assert describe_model(str(top / packed))["calibration"] == record["told"]
    # Stage 7 packs the scores of that very model, for its card.
    (result,) = metadata(unpack(top / packed), "me/m")["model-index"][0]["results"]
    assert result["dataset"]["split"] == "test"
    scores = json.loads((tag / "test/scores.json").read_text())
    figures = {m["type"]: m["value"] for m in result["metrics"] if "utter" in m["name"]}
    assert figures["mse"] == scores["utt"]["mse"]["value"]
