"""`distilmos benchmark`: models on sets, tables and tests."""

import json

import pytest

from espnet2_distilmos.bin.benchmark import main
from espnet2_distilmos.scoring.metrics import srcc
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture(scope="module")
def place(tmp_path_factory, tools, make_set):
    """Two tiny models and two sets: ten systems at 16 kHz, none at 24 kHz."""
    root = tmp_path_factory.mktemp("benchmark")
    for seed, name in enumerate(("mos_a", "mos_b")):
        tools.model(root / name, seed)
    for dset, n, rate in (("test", 20, 16000), ("far", 8, 24000)):
        clips = {f"u{i:02d}": tools.speech(0.3, rate, i) for i in range(n)}
        mos = {u: 1 + (i * 7 % n) / 5 for i, u in enumerate(clips)}
        systems = {u: f"s{i % 10}" for i, u in enumerate(clips)}
        make_set(root / dset, clips, rate, mos, systems if dset == "test" else None)
    return root


def run(place, *args, models=("mos_a", "mos_b"), sets=("test", "far")):
    main(
        [
            "--models",
            *(str(place / m) if "=" not in m else m for m in models),
            *("--sets", *(str(place / s) for s in sets)),
            *("--device", "cpu", "--n_bootstrap", "100", *args),
        ]
    )


def test_tables_and_tests(place, tmp_path, capsys):
    out = tmp_path / "out"
    run(place, "--output_dir", str(out), "--metrics", "srcc", "mse")
    printed = capsys.readouterr().out
    text = (out / "benchmark.md").read_text(encoding="utf-8")
    assert text.endswith(printed) and "# Benchmark\n" in text
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    assert sum(row.startswith("| utterance ") for row in rows) == 4
    for dset, levels in (("test", ("utterance", "system")), ("far", ("utterance",))):
        found = [r for r in rows if r.startswith(f"| {dset} ")]
        assert len(found) == 2 * len(levels)  # two figures
        assert all(any(f" {level} " in r for r in found) for level in levels)
    assert "corrected\nfor the 6 tests of this table" in printed

    content = json.loads((out / "benchmark.json").read_text())
    assert list(content["scores"]) == ["mos_a", "mos_b"]
    first = content["differences"][0]
    assert (first["set_name"], first["a"], first["b"]) == ("test", "mos_a", "mos_b")
    ref = read_floats(place / "test/utt2mos")
    hyps = [read_floats(out / m / "test/utt2mos") for m in ("mos_a", "mos_b")]
    import numpy as np

    x, a, b = (np.array([h[u] for u in ref]) for h in (ref, *hyps))
    assert first["difference"] == pytest.approx(srcc(x, a) - srcc(x, b))
    assert first["p_holm"] >= first["p"]
    scores = json.loads((out / "mos_a/test/scores.json").read_text())
    assert scores == content["scores"]["mos_a"]["test"]


def test_second_run_scores_nothing_and_says_the_same(place, tmp_path, monkeypatch):
    run(place, "--output_dir", str(tmp_path))
    before = (tmp_path / "benchmark.json").read_bytes()
    from espnet2_distilmos.inference.engine import DistilMOSInference

    monkeypatch.setattr(DistilMOSInference, "score_files", None)
    run(place, "--output_dir", str(tmp_path))
    assert (tmp_path / "benchmark.json").read_bytes() == before


def test_names(place, tmp_path, capsys):
    models = [f"old={place / 'mos_a'}", f"new={place / 'mos_a' / 'model.pth'}"]
    run(place, "--output_dir", str(tmp_path), models=models, sets=["far"])
    (row,) = [r for r in capsys.readouterr().out.splitlines() if "| far " in r]
    cells = [c.strip() for c in row.strip("|").split(" | ")]
    assert cells[3:5] == ["old", "new"]
    # The same model twice: no difference, and the test says so.
    assert cells[7] == "0.000 [0.000, 0.000]" and cells[8:] == ["1.000", "1.000"]


@pytest.mark.parametrize(
    "models, sets, more, message",
    [
        (("mos_a", "mos_a"), ("far",), (), "both called mos_a; write NAME="),
        (("mos_a",), ("far", "far"), (), "both called far"),
        (("none",), ("far",), (), "no such model"),
        (("mos_a",), ("none",), (), "none/wav.scp: cannot be read"),
        (("mos_a",), ("far",), ("--metrics", "rmse"), "no figure 'rmse'; there are"),
        (("=x",), ("far",), (), "is no name"),
    ],
)
def test_mistakes(place, tmp_path, models, sets, more, message):
    with pytest.raises(UserError, match=message):
        run(place, "--output_dir", str(tmp_path), *more, models=models, sets=sets)


def test_one_model_has_nothing_to_be_compared_with(place, tmp_path, capsys):
    run(place, "--output_dir", str(tmp_path), models=["mos_a"])
    printed = capsys.readouterr().out
    assert "## Differences" not in printed and "| utterance " in printed


def test_a_clip_that_cannot_be_scored_is_named(place, tmp_path, make_set, tools):
    make_set(tmp_path / "bad", {"u1": tools.speech(0.3)}, mos={"u1": 3.0})
    (tmp_path / "bad/u1.wav").write_text("no audio")
    with pytest.raises(UserError, match="bad: u1: .*cannot be read as audio"):
        run(place, "--output_dir", str(tmp_path), sets=[tmp_path / "bad"])
    (tmp_path / "bad/utt2mos").unlink()
    with pytest.raises(UserError, match="bad: has no utt2mos"):
        run(place, "--output_dir", str(tmp_path), sets=[tmp_path / "bad"])


def test_what_models_and_sets_are_of_is_said(place, pesq_model, tools, tmp_path):
    """A PESQ model beside one of which nothing is known, on a set of human ratings."""
    out = tmp_path / "out"
    labels = Labels((LabelInfo("far", "human", "MOS"),))
    labels.write(place / "far/labels.yaml")
    try:
        models = ("mos_a", f"pesq={pesq_model}")
        run(place, "--output_dir", str(out), models=models, sets=("far",))
    finally:
        (place / "far/labels.yaml").unlink()
    text = (out / "benchmark.md").read_text(encoding="utf-8")
    assert "\nLabels: MOS (human ratings).\n" in text
    assert "- mos_a: labels: not recorded\n" in text
    assert "- pesq: predicts PESQ MOS-LQO (objective, ITU-T P.862.2; scale 1" in text
    assert json.loads((out / "benchmark.json").read_text())["labels"] == {
        "models": {"mos_a": None, "pesq": tools.pesq_labels},
        "sets": {"far": labels.as_list()},
    }
