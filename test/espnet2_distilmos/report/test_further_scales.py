"""Figures of further scales: of the clips with such a label, and rows beside them."""

import json

import numpy as np
import pytest

from espnet2_distilmos.report.further_scales import scale_table, score_scales
from espnet2_distilmos.report.scale_rows import write_scale_rows
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.scoring.ridge import fit_ridge
from espnet2_distilmos.utils.datadir import DataDir, read_scores, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.values import from_scores

SCALE = {"BAK": {"scale": [0, 100]}}


@pytest.fixture
def sets(tmp_path, noise, make_set):
    """30 training and 20 test clips; SIG of all but two, BAK of the first 12."""
    rng = np.random.default_rng(0)
    for name, n in (("train", 30), ("test", 20)):
        clips = {f"{name}{i:02d}": noise(i, 400) for i in range(n)}
        systems = {utt: f"s{i % 10}" for i, utt in enumerate(clips)}
        mos = {utt: float(rng.uniform(1, 5)) for utt in clips}
        folder = make_set(tmp_path / "raw" / name, clips, mos=mos, systems=systems)
        data = DataDir.load(folder)
        data.scores = {utt: {"SIG": float(rng.uniform(1, 5))} for utt in clips}
        for i, utt in enumerate(clips):
            if i < 12:
                data.scores[utt]["BAK"] = float(rng.uniform(0, 100))
            if i in (3, 7):
                del data.scores[utt]["SIG"]
        data.save(folder)
        info = LabelInfo("mine", "human", "MOS", scale=(1, 5), scales=SCALE)
        Labels((info,)).write(folder / "labels.yaml")
        features = tmp_path / "features" / name
        features.mkdir(parents=True)
        np.save(features / "statistics.npy", rng.standard_normal((n, 6)))
        (features / "statistics.yaml").write_text(f"of: {name}\n")
    return LabelledSets(tmp_path / "raw/train", [tmp_path / "raw/test"])


def predicted(folder, data, **values):
    """Predictions of a model: the labels and something more."""
    rng = np.random.default_rng(1)
    scores = {
        utt: {s: float(rng.uniform(*values[s])) for s in values} for utt in data.wavs
    }
    texts = {utt: from_scores(of_clip) for utt, of_clip in scores.items()}
    write_lines(folder / "utt2scores", texts)
    return read_scores(folder / "utt2scores")


def figures(folder, scale):
    return json.loads((folder / "scales" / scale / "scores.json").read_text())


def state(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_figures_are_over_the_clips_that_have_a_label(sets, tmp_path):
    folder, data = tmp_path / "hyp/test", sets.tests["test"]
    hyp = predicted(folder, data, SIG=(1, 5), BAK=(0, 100), NOI=(1, 5))
    raw = tmp_path / "raw/test"
    model = Labels((LabelInfo("mine", "human", "MOS", scale=(1, 5)),))
    score_scales(folder, raw, "test", Labels.beside(raw))
    for scale, n in (("SIG", 18), ("BAK", 12)):
        found = figures(folder, scale)
        pairs = [
            (hyp[utt][scale], of_clip[scale])
            for utt, of_clip in data.scores.items()
            if scale in of_clip
        ]
        error = np.mean([(a - b) ** 2 for a, b in pairs])
        assert found["n_utt"] == n == len(pairs)
        assert found["utt"]["mse"]["value"] == pytest.approx(error, rel=1e-5)
        assert (folder / "scales" / scale / "scatter.png").exists()
    assert not (folder / "scales/NOI").exists()  # of no clip
    before = state(folder)
    score_scales(folder, raw, "test", Labels.beside(raw))
    assert state(folder) == before
    # BAK of a model that knows of no range of its own is on another scale.
    score_scales(folder, raw, "test", model)
    assert figures(folder, "BAK")["utt"]["mse"]["value"] is None
    assert figures(folder, "SIG")["utt"]["mse"]["value"] is not None
    # Another model, without BAK.
    predicted(folder, data, SIG=(1, 5))
    score_scales(folder, raw, "test", model)
    assert sorted(p.name for p in (folder / "scales").iterdir()) == ["SIG"]


def test_a_labelled_clip_that_was_not_predicted_is_named(sets, tmp_path):
    folder = tmp_path / "hyp/test"
    predicted(folder, sets.tests["test"].subset(["test00", "test02"]), SIG=(1, 5))
    with pytest.raises(UserError, match="no SIG of test01; predict the set again"):
        score_scales(folder, tmp_path / "raw/test", "test", Labels())


def test_rows_learn_a_scale_from_the_clips_that_have_it(sets, tmp_path):
    folders = {
        n: tmp_path / "features" / n / "statistics.npy" for n in ("train", "test")
    }
    write_scale_rows(sets, tmp_path / "rows", {"linear_probe_tiny": folders})
    train, test = sets.train, sets.tests["test"]
    features = {name: np.load(path) for name, path in folders.items()}
    for scale in ("SIG", "BAK"):
        rows = [i for i, s in enumerate(train.scores.values()) if scale in s]
        labels = [list(train.scores.values())[i][scale] for i in rows]
        systems = [list(train.systems.values())[i] for i in rows]
        ridge = fit_ridge(features["train"][rows], labels, systems)
        probe = read_scores(tmp_path / "rows/linear_probe_tiny/test/utt2scores")
        assert [s[scale] for s in probe.values()] == pytest.approx(
            ridge.predict(features["test"]), abs=1e-5
        )
        constant = read_scores(tmp_path / "rows/constant/test/utt2scores")
        assert {round(s[scale], 4) for s in constant.values()} == {
            round(float(np.mean(labels)), 4)
        }
        assert list(constant) == list(test.wavs)
        found = figures(tmp_path / "rows/constant/test", scale)
        assert found["utt"]["srcc"]["value"] is None  # it hears nothing
        assert found["n_utt"] == {"SIG": 18, "BAK": 12}[scale]
    before = state(tmp_path / "rows")
    write_scale_rows(sets, tmp_path / "rows", {"linear_probe_tiny": folders})
    assert state(tmp_path / "rows") == before
    text = scale_table({"*constant*": tmp_path / "rows/constant/test"})
    assert text.count("*constant*") == 6 and "| BAK " in text


def test_a_training_set_of_one_scale_has_no_such_rows(sets, tmp_path):
    (tmp_path / "raw/train/utt2scores").unlink()
    again = LabelledSets(tmp_path / "raw/train", [tmp_path / "raw/test"])
    write_scale_rows(again, tmp_path / "rows", {})
    assert not (tmp_path / "rows").exists()
    assert scale_table({"x": tmp_path / "rows"}) == ""
