"""`distilmos compare-seeds`: folders of predictions in, tables and JSON out."""

import json

import numpy as np
import pytest
from seed_designs import USUAL, Design

from espnet2_distilmos.bin.compare_seeds import main
from espnet2_distilmos.report.scales import SCALES
from espnet2_distilmos.scoring.metrics import srcc
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """12 systems x 4 prompts; recipes `a` and `b-2` of 3 seeds each, and a probe."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels, systems, prompts, predictions = USUAL.draw(Design(12, 4), 3, rng)
    ids = [f"u{i:02d}" for i in range(len(labels))]

    def write(file, values):
        write_lines(file, dict(zip(ids, values)))

    write("data/utt2mos", map(float, labels))
    write("data/utt2sys", [f"s{s}" for s in systems])
    write("data/utt2prompt", [f"p{p}" for p in prompts])
    for name, rows in predictions.items():
        for seed, row in enumerate(rows):
            write(f"exp/{name}_s{seed}/test/utt2mos", map(float, row))
    write("exp/probe/test/utt2mos", map(float, predictions["a"].mean(axis=0)))
    write("exp/flat/test/utt2mos", [3.0] * len(ids))
    return tmp_path


A, B, PROBE = "a=exp/a_s*/test", "b-2=exp/b_s*/test", "probe=exp/probe/test"


def run(*args, models=(A, B, PROBE)):
    main(["--data_dir", "data", "--models", *models, "--output", "out.md", *args])
    return json.loads(open("out.json").read())


def rows_of(text, level):
    rows = [r for r in text.splitlines() if r.startswith(f"| {level} ")]
    return [[c.strip() for c in r.strip("|").split(" | ")] for r in rows]


def test_tables_and_figures(place, capsys):
    content = run()
    text = (place / "out.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert "data: 48 clips, 12 systems, 4 prompts." in text
    assert content["clusters"] == {"utt2sys": 12, "utt2prompt": 4}
    assert content["models"]["a"] == [f"exp/a_s{s}/test" for s in range(3)]
    by_level = {c["level"]: c for c in content["comparisons"]}
    assert list(by_level) == ["utt", "sys"]

    def values(file):
        return np.array([float(x.split()[1]) for x in open(file)])

    found = by_level["utt"]["figures"]["a"]
    each = [
        srcc(values("data/utt2mos"), values(f"exp/a_s{s}/test/utt2mos"))
        for s in range(3)
    ]
    assert found["by_seed"] == pytest.approx(each)
    assert found["value"] == pytest.approx(np.mean(each))
    assert found["sd"] == pytest.approx(np.std(each, ddof=1))
    assert {"utt2sys", "utt2prompt", "cells", "seeds"} < set(found["variance"])
    # By system each system is one value, and nothing else is resampled.
    assert set(by_level["sys"]["figures"]["a"]["variance"]) == {
        *("utt2sys", "seeds", "mixed")
    }
    pairs = [(d["a"], d["b"]) for d in by_level["utt"]["differences"]]
    assert pairs == [("b-2", "a"), ("probe", "a")]
    rows = rows_of(text, "utterance")
    assert [r[2] for r in rows[:3]] == ["a", "b-2", "probe"]
    assert rows[0][3] == "3" and rows[2][3] == "1" and rows[2][5] == "–"
    assert rows[0][4].startswith(f"{np.mean(each):.3f} [")
    assert "probe: one set of predictions" in " ".join(text.split())
    assert "corrected for the 4 tests of this table" in text
    every = [d for c in by_level.values() for d in c["differences"]]
    assert min(d["p_holm"] for d in every) == pytest.approx(
        min(1, 4 * min(d["p"] for d in every))
    )


def test_what_is_asked_for(place):
    content = run(
        *("--pairs", "b-2-probe", "--metrics", "srcc", "mse", "--clusters", "utt2sys"),
        *("--power_at", "0.05", "0.5"),
    )
    assert content["clusters"] == {"utt2sys": 12}
    found = [(c["level"], c["metric"]) for c in content["comparisons"]]
    assert found == [(x, m) for x in ("utt", "sys") for m in ("srcc", "mse")]
    (test,) = content["comparisons"][0]["differences"]
    assert (test["a"], test["b"]) == ("b-2", "probe")
    told = [p["by_seeds"] for p in test["power"]]
    assert told[0]["1"] < told[0]["20"] < told[1]["20"]
    text = (place / "out.md").read_text(encoding="utf-8")
    assert "## Power" in text and len(rows_of(text, "utterance")) == 3 * 2 + 2 + 2 * 2


def test_paired_seeds_are_another_test(place):
    alone, paired = (
        run(*more, models=(A, B))["comparisons"][0]["differences"][0]
        for more in ((), ("--paired_seeds",))
    )
    assert alone["value"] == paired["value"] and alone["p"] != paired["p"]


def test_no_mse_between_scales(place):
    """As stage 6 has found, and written beside the predictions."""
    scales = {"predictions": [1, 5], "labels": [0, 100]}
    scores = {SCALES: scales}
    (place / "exp/b_s1/test/scores.json").write_text(json.dumps(scores))
    content = run("--metrics", "mse", "srcc")
    figures, tests = (content["comparisons"][0][k] for k in ("figures", "differences"))
    assert figures["b-2"] is None and figures["a"]["value"] > 0
    assert [d["a"] for d in tests] == ["probe"]
    text = (place / "out.md").read_text(encoding="utf-8")
    assert "No MSE of b-2: scores lie on a scale of 1 to 5, labels on" in text


def test_constant_predictions_have_no_figure(place):
    content = run(models=(A, "flat=exp/flat/test"))
    assert content["comparisons"][0]["figures"]["flat"]["value"] is None
    assert content["comparisons"][0]["differences"][0]["p"] is None
    text = (place / "out.md").read_text(encoding="utf-8")
    assert "## Differences" not in text


@pytest.mark.parametrize(
    "models, more, message",
    [
        (("exp/a_s*/test",), (), "write NAME=FOLDER"),
        (("=x",), (), "write NAME=FOLDER"),
        (("a=",), (), "write NAME=FOLDER"),
        ((A, A), (), "there is another a"),
        (("a=exp/no*/test",), (), r"no such folder: exp/no\*/test"),
        (("a=exp/a_s0/test,exp/a_s*/test",), (), "a_s0/test is named twice"),
        (("a=exp/a_s0/test,",), (), "an empty name"),
        (("a=exp/a_s0",), (), "exp/a_s0/utt2mos: cannot be read"),
        ((A, B), ("--pairs", "a-c"), "--pairs a-c: two different models.* a, b-2"),
        ((A, B), ("--pairs", "a-a"), "--pairs a-a: two different"),
        ((A, B), ("--pairs", "a-b-2", "a-b-2"), "named twice"),
        ((A, B), ("--metrics", "rmse"), "no figure 'rmse'"),
        ((A, B), ("--clusters", "utt2spk"), "utt2spk: cannot be read"),
        ((A,), ("--clusters", "utt2sys", "utt2sys"), "one file, or two different"),
        ((A, PROBE), ("--paired_seeds",), "probe has 1 seed and a 3"),
        ((A,), ("--output", "x.json"), "x.json: .md was expected"),
        ((A,), ("--output", "data/utt2sys"), "data/utt2sys: "),
    ],
)
def test_mistakes(place, models, more, message):
    with pytest.raises(UserError, match=message) as e:
        run(*more, models=models)
    assert "\n" not in str(e.value)


def test_other_clips_are_named(place):
    file = place / "exp/a_s1/test/utt2mos"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[1:]))
    message = "1 ID of data/utt2mos is missing in exp/a_s1/test/utt2mos: u00"
    with pytest.raises(UserError, match=message):
        run()
    file.write_text("".join([*lines, "zz 3\n"]))
    with pytest.raises(UserError, match=r"missing in data/utt2mos: zz"):
        run()


def test_a_set_without_systems(place):
    (place / "data/utt2sys").unlink()
    with pytest.raises(UserError, match="has no utt2sys; --clusters names what"):
        run()
    content = run("--clusters", "utt2prompt")
    assert [c["level"] for c in content["comparisons"]] == ["utt"]
    (place / "data/utt2prompt").write_text(
        "".join(f"u{i:02d} one\n" for i in range(48))
    )
    with pytest.raises(UserError, match="all clips are in one cluster"):
        run("--clusters", "utt2prompt")


def test_the_same_training_twice_is_told(place, caplog):
    text = (place / "exp/a_s0/test/utt2mos").read_text()
    (place / "exp/a_s1/test/utt2mos").write_text(text)
    run()
    assert "a: two of its seeds predict the same" in caplog.text
    assert "utt2prompt: intervals rest on 4 clusters only" in caplog.text
