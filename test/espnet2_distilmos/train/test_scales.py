"""Training on several scales, and the models that come of it."""

import copy
import shutil

import numpy as np
import pytest
import torch
import yaml
from small_trainings import load, options, train

from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.train.identity import training_request
from espnet2_distilmos.train.preprocessor import RaterPreprocessor
from espnet2_distilmos.train.scales import scales_of
from espnet2_distilmos.train.trainer import labelled, scale_correlations
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

SCALES = ("--predictor_conf", "scales=[SIG,BAK]")
STANDARD = ("--standardize_labels", "true")


@pytest.fixture(scope="module")
def scaled(corpus, tmp_path_factory):
    """The corpus with labels on two scales; BAK, from 0 to 100, is that of half."""
    found = copy.copy(corpus)
    found.raw = tmp_path_factory.mktemp("scaled")
    for part in ("train", "valid"):
        shutil.copytree(corpus.raw / part, found.raw / part)
        data = DataDir.load(found.raw / part)
        data.scores = {u: {"SIG": 6 - m} for u, m in data.mos.items()}
        for utt in list(data.wavs)[::2]:
            data.scores[utt]["BAK"] = 20 * data.mos[utt]
        data.scores[list(data.wavs)[1]] = {}
        data.save(found.raw / part)
    return found


def add_scores(scaled):
    """Options that give the labels."""
    return [
        word
        for part in ("train", "valid")
        for word in (
            f"--{part}_data_path_and_name_and_type",
            f"{scaled.raw / part}/utt2scores,scores,text",
        )
    ]


@pytest.fixture(scope="module")
def several(scaled, tmp_path_factory):
    """Trained on MOS, SIG and BAK."""
    folder = tmp_path_factory.mktemp("exp") / "several"
    more = (*add_scores(scaled), *SCALES, *STANDARD)
    return train(scaled, folder, *more, data=())


def test_off_the_model_is_what_it_was(scaled, corpus, tmp_path):
    """With labels of scales at hand, and without: the same checkpoint and settings."""
    train(scaled, tmp_path / "with", *add_scores(scaled), *STANDARD, data=())
    train(corpus, tmp_path / "without", *STANDARD, data=())
    a, b = (load(tmp_path / x / "checkpoint.pth") for x in ("with", "without"))
    assert a["model"].keys() == b["model"].keys()
    assert all(torch.equal(a["model"][k], b["model"][k]) for k in a["model"])
    configs = [read_yaml(tmp_path / x / "config.yaml") for x in ("with", "without")]
    assert configs[0].keys() == configs[1].keys()
    for config in configs:
        assert "scales" not in config
        assert set(config["predictor_conf"]) == {
            *("hidden_size", "label_mean", "label_std")
        }
        assert set(config["loss_conf"]) == {"token_weight", "unit"}
    valid = read_history(tmp_path / "with" / "checkpoint.pth")[2]["valid"]
    assert "scales_loss" not in valid and "SIG_srcc" not in valid


def test_training_learns_all_scales(scaled, several):
    states = load(several / "checkpoint.pth")["model"]
    weights = [
        states[f"network.predictor.further_scales.outputs.{i}.weight"] for i in (0, 1)
    ]
    assert all(w.shape == (1, 8) and w.abs().max() > 0 for w in weights)
    config = read_yaml(several / "config.yaml")
    conf = config["predictor_conf"]
    data = DataDir.load(scaled.raw / "train")
    labels = [[s[x] for s in data.scores.values() if x in s] for x in ("SIG", "BAK")]
    assert conf["scales"] == ["SIG", "BAK"]
    assert conf["scale_means"] == pytest.approx([np.mean(x) for x in labels], abs=1e-6)
    assert conf["scale_stds"] == pytest.approx([np.std(x) for x in labels], abs=1e-6)
    assert config["loss_conf"]["scale_units"] == conf["scale_stds"]
    assert config["loss_conf"]["unit"] == conf["label_std"]
    history = read_history(several / "checkpoint.pth")
    assert history[2]["train"]["scales_loss"] > 0
    valid = history[2]["valid"]
    assert {"srcc", "SIG_srcc", "SIG_lcc", "BAK_srcc", "BAK_lcc"} <= valid.keys()
    # The network's own loss is of all scales, what models are chosen by of the MOS.
    assert valid["loss"] == pytest.approx(valid["scales_loss"] / conf["label_std"])
    assert valid["mos_loss"] != pytest.approx(valid["scales_loss"], abs=1e-4)


def test_the_same_when_resumed(scaled, several, tmp_path):
    more = (*add_scores(scaled), *SCALES, *STANDARD)
    train(scaled, tmp_path, *more, "--max_epoch", "1", data=())
    train(scaled, tmp_path, *more, data=())
    a, b = (load(x / "checkpoint.pth")["model"] for x in (tmp_path, several))
    assert [k for k in a if not torch.equal(a[k], b[k])] == []


def test_with_listeners_and_offsets(scaled, tmp_path):
    both = copy.copy(scaled)
    both.raw = tmp_path / "raw"
    shutil.copytree(scaled.raw, both.raw)
    for part in ("train", "valid"):
        data = DataDir.load(both.raw / part)
        data.corpora = {u: "ab"[i % 2] for i, u in enumerate(data.wavs)}
        data.ratings = {u: [("L1", m)] for u, m in data.mos.items()}
        data.save(both.raw / part)
    on = ("--corpus_offset", "true", "--listeners", "true")
    folder = train(both, tmp_path / "exp", *add_scores(both), *SCALES, *on)
    train_stats = read_history(folder / "checkpoint.pth")[2]["train"]
    assert train_stats["listener_loss"] > 0 and train_stats["scales_loss"] > 0


def test_a_saved_configuration_needs_no_data(several, tmp_path):
    config = read_yaml(several / "config.yaml")
    for part in ("train", "valid"):
        name = f"{part}_data_path_and_name_and_type"
        config[name] = [[f"/nowhere/{x[0]}", *x[1:]] for x in config[name]]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    model, _ = DistilMOSTask.build_model_from_file(
        tmp_path / "config.yaml", several / "valid.srcc.best.pth", "cpu"
    )
    assert model.network.predictor.scales == ("SIG", "BAK")
    assert model.loss.scale_units == config["loss_conf"]["scale_units"]


def test_labels_of_scales_decide_the_training(scaled, tmp_path):
    """Other labels, or other scales, are another training."""
    cmd = options(scaled, tmp_path, *add_scores(scaled), *SCALES, data=())
    args = vars(DistilMOSTask.get_parser().parse_args(cmd))
    request = training_request(args, 1)
    assert "labels on further scales of train" in request["data"]
    assert request["options"]["predictor_conf"]["scales"] == ["SIG", "BAK"]


@pytest.mark.parametrize(
    "more, with_data, message",
    [
        (SCALES, False, "scales SIG BAK: needs utt2scores of the training set"),
        ((*SCALES, *STANDARD), False, "scales SIG BAK: needs utt2scores"),
        (
            ("--predictor_conf", "scales=[SIG,NOI]"),
            True,
            "utt2scores: no clip has a label on NOI; there are BAK, SIG",
        ),
        (("--predictor_conf", "scales=[mos]"), True, "no name of a further scale"),
        (("--predictor_conf", "scales=[SIG,SIG]"), True, "SIG stands there twice"),
        (("--predictor_conf", "scales=SIG"), True, "a list of names was expected"),
    ],
)
def test_scales_that_cannot_be_learned(scaled, tmp_path, more, with_data, message):
    given = add_scores(scaled) if with_data else []
    with pytest.raises(UserError, match=message):
        train(scaled, tmp_path, *given, *more, data=())


def test_a_bad_line_is_named(scaled, tmp_path):
    bad = copy.copy(scaled)
    bad.raw = tmp_path / "raw"
    shutil.copytree(scaled.raw, bad.raw)
    path = bad.raw / "train/utt2scores"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].split()[0] + " SIG:good"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        UserError, match="train/utt2scores:3: ID .* 'good' is not a num"
    ):
        train(bad, tmp_path / "exp", *add_scores(bad), *SCALES, data=())


def test_the_validation_set_may_lack_a_scale(scaled, tmp_path, caplog):
    part = copy.copy(scaled)
    part.raw = tmp_path / "raw"
    shutil.copytree(scaled.raw, part.raw)
    data = DataDir.load(part.raw / "valid")
    data.scores = {u: {"SIG": s["SIG"]} if s else {} for u, s in data.scores.items()}
    data.save(part.raw / "valid")
    folder = train(part, tmp_path / "exp", *add_scores(part), *SCALES, data=())
    assert "BAK: no clip of the validation set has such a label" in caplog.text
    valid = read_history(folder / "checkpoint.pth")[2]["valid"]
    assert "SIG_srcc" in valid and "BAK_srcc" not in valid


def test_texts_become_labels_in_the_order_of_the_outputs():
    preprocess = RaterPreprocessor(True, scales=["SIG", "BAK"])
    found = preprocess("a", {"scores": "BAK:2.5 NOI:1"})["scores"]
    assert found.dtype == np.float32 and np.isnan(found[0]) and found[1] == 2.5
    assert np.isnan(preprocess("a", {"scores": "-"})["scores"]).all()
    assert RaterPreprocessor(True)("a", {"scores": "BAK:2.5"}) == {}


def test_correlations_are_over_the_clips_that_have_a_label():
    nan = float("nan")
    scores = labelled("abcd", [1.0, 2.0, 3.0, -9.0], [1.0, 3.0, 2.5, nan])
    assert list(scores) == ["a", "b", "c"]
    found = scale_correlations(["X", "Y"], [scores, {}])
    assert found == {
        "X_srcc": pytest.approx(0.5),
        "X_lcc": pytest.approx(0.7206, abs=1e-3),
    }


def test_no_scales_are_no_names():
    assert scales_of(None) == scales_of({}) == scales_of({"scales": None}) == []
