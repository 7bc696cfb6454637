"""Scores and labels on different scales: no MSE anywhere, and a word on why."""

import json

import numpy as np
import pytest

from espnet2_distilmos.bin import score_sets, show_results
from espnet2_distilmos.corpora.combine import Part, combine_sets
from espnet2_distilmos.report import scored
from espnet2_distilmos.report.compare import compare_set
from espnet2_distilmos.report.scales import differing
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.files import write_yaml
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

OPINION, MUSHRA = (1.0, 5.0), (0.0, 100.0)
WHY = "scores lie on a scale of 1 to 5, labels on one of 0 to 100"


def labels(*scales):
    return Labels(tuple(LabelInfo(f"c{i}", scale=s) for i, s in enumerate(scales)))


@pytest.mark.parametrize(
    "predicted, of_set, differ",
    [
        ([OPINION], [OPINION], False),
        ([OPINION], [MUSHRA], True),
        ([MUSHRA], [OPINION], True),
        ([(1.0, 4.644)], [OPINION], False),  # PESQ MOS-LQO is read as a MOS
        ([(-0.5, 4.5)], [OPINION], True),  # PESQ itself
        ([(0.0, 5.0)], [OPINION], True),
        ([OPINION, (1.0, 4.644)], [MUSHRA], True),  # joint training
        ([None], [MUSHRA], False),  # not recorded, so not known to differ
        ([OPINION], [None], False),
        ([], [MUSHRA], False),
        ([OPINION], [], False),
    ],
)
def test_which_scales_differ(predicted, of_set, differ):
    found = differing(labels(*predicted), labels(*of_set))
    assert (found is not None) == differ
    if found:
        assert found["labels"] == list(of_set[0])


def values(n=40, n_sys=10):
    """Labels from 0 to 100, scores from 1 to 5 that follow them, systems."""
    rng = np.random.default_rng(1)
    ref = {f"u{i:02d}": float(x) for i, x in enumerate(rng.uniform(0, 100, n))}
    hyp = {u: 1 + v / 25 + 0.1 * float(rng.normal()) for u, v in ref.items()}
    return ref, hyp, {u: f"s{i % n_sys}" for i, u in enumerate(ref)}


@pytest.fixture
def tree(tmp_path):
    """dump/raw/{train,test} and predictions of a model of opinions from 1 to 5."""
    ref, hyp, systems = values()
    wavs = dict.fromkeys(ref, "none.wav")
    raw = tmp_path / "dump/raw"
    DataDir(wavs, ref, systems).save(raw / "test")
    labels(MUSHRA).write(raw / "test/labels.yaml")
    DataDir({"a": "a.wav"}, {"a": 3.0}, {"a": "s"}).save(raw / "train")
    labels(OPINION).write(raw / "train/labels.yaml")
    write_lines(tmp_path / "exp/mos_a/inference/test/utt2mos", hyp)
    config = {"label_conf": labels(OPINION).as_list()}
    write_yaml(tmp_path / "exp/mos_a/config.yaml", config)
    for row in ("constant", "system_mean"):
        value = 3.0 if row == "constant" else 50.0
        write_lines(tmp_path / f"rows/{row}/test/utt2mos", dict.fromkeys(ref, value))
    return tmp_path


def test_figures_table_and_sentences(tree, capsys):
    raw, exp = tree / "dump/raw", tree / "exp/mos_a"
    options = ["--data_dirs", str(raw / "test"), "--train_config"]
    options += [str(exp / "config.yaml"), "--hyp_dir", str(exp / "inference")]
    assert run(score_sets.main, options) == 0
    scored.score_rows(tree / "rows", {"test": raw / "test"}, raw / "train")
    folder = exp / "inference/test"
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["scales"] == {"predictions": [1, 5], "labels": [0, 100]}
    for level in ("utt", "sys", "within_sys"):
        assert scores[level]["mse"] == {"value": None, "ci95": None}
        assert scores[level]["srcc"]["value"] > 0.8
    assert f"No MSE: {WHY}." in (folder / "scores.txt").read_text()
    # The oracle predicts the labels of this very set.
    oracle = json.loads((tree / "rows/system_mean/test/scores.json").read_text())
    assert oracle["utt"]["mse"]["value"] > 100 and "scales" not in oracle

    output = tree / "RESULTS.md"
    options = ["--exp", str(exp), "--reference", str(tree / "rows")]
    options += ["--labels", str(raw), "--output", str(output)]
    assert run(show_results.main, options) == 0
    text = output.read_text()
    assert f"No MSE of *constant*, mos_a: {WHY} (doc/comparing.md).\n" in text
    assert f"- test: mos_a is not compared with the constant: {WHY}.\n" in text
    (row,) = [x for x in text.splitlines() if x.startswith("| utterance      | mos_a")]
    assert row.split("|")[4].strip() == "–" and "0.9" in row


def test_a_set_on_the_models_scale_is_scored_as_before(tree):
    """Not a key more in scores.json, so no figure of before is made again."""
    raw = tree / "dump/raw"
    labels(OPINION).write(raw / "test/labels.yaml")
    folder = tree / "exp/mos_a/inference/test"
    assert scored.score_folder(folder, raw / "test", 20)
    known = (folder / "scores.json").read_bytes()
    assert not scored.score_folder(folder, raw / "test", 20, predicted=labels(OPINION))
    assert (folder / "scores.json").read_bytes() == known
    # On another scale it is, once.
    for again in (True, False):
        made = scored.score_folder(folder, raw / "test", 20, predicted=labels(MUSHRA))
        assert made == again
    assert "scales" in json.loads((folder / "scores.json").read_text())


def test_differences_of_errors_are_not_tested():
    ref, hyp, systems = values()
    hyps = {"opinion": hyp, "other": {u: v / 2 for u, v in ref.items()}, "own": ref}
    found = compare_set(
        "x", ref, systems, hyps, ("srcc", "mse"), 50, other_scale=["opinion"]
    )
    for c in found:
        unlike = c.metric == "mse" and "opinion" in (c.test.a, c.test.b)
        assert (c.test.p is None) == unlike == (c.test.difference is None)
    assert len(found) == 12


def test_joint_sets_of_different_scales_are_told(tree, caplog, monkeypatch):
    monkeypatch.chdir(tree)
    parts = [Part("a", "dump/raw/train"), Part("b", "dump/raw/test")]
    combine_sets(parts, "data/both")
    assert "a/train and b/test: labels on scales of 1 to 5 and of 0 to 100" in (
        caplog.text
    )
    caplog.clear()
    combine_sets(parts[:1], "data/one")
    assert "scales" not in caplog.text
