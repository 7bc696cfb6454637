"""A calibrated checkpoint scores through its map everywhere, and says so."""

import zipfile

import numpy as np
import pytest
import torch

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.sslmos import SSLMOSPredictor
from espnet2_distilmos.packs.calibrate import calibrate_model
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


@pytest.mark.parametrize("scale", [{}, {"label_mean": 40.0, "label_std": 12.0}])
@pytest.mark.parametrize("kind", [DistilMOSPredictor, SSLMOSPredictor])
def test_every_score_is_mapped(kind, scale):
    """Also those of listeners, and on the scale of a corpus up to its own offset."""
    torch.manual_seed(0)
    more = {"corpora": ["a", "b"], "listeners": ["x", "y"], **scale}
    if kind is DistilMOSPredictor:
        more |= {"hidden_size": 8, "pooling": "attention"}
    predictor = kind([1, 2], 6, 0, **more).eval()
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter)
    states = [torch.randn(2, 9, 6) for _ in range(2)]
    asked = (states, torch.tensor([9, 5]), False)
    asked += (torch.tensor([0, -1]), torch.tensor([[0, 1], [1, 2]]))
    with torch.no_grad():
        before = predictor(*asked)
        predictor.rescale(1.4, -0.3)
        after = predictor(*asked)
    for name in ("mos", "listener_mos"):
        expected = -0.3 + 1.4 * getattr(before, name)
        torch.testing.assert_close(getattr(after, name), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        after.frame_mos[:, :5],
        -0.3 + 1.4 * before.frame_mos[:, :5],
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.fixture
def trained(tmp_path, tools):
    """A model, and what it predicts of eight clips."""
    exp = tools.model(tmp_path / "exp")
    clips = {f"u{i}": tools.speech(0.6 + 0.1 * i) for i in range(8)}
    model = DistilMOSInference(exp / "config.yaml", exp / "model.pth")
    hyp = {utt: model(x)["mos"] for utt, x in clips.items()}
    write_lines(tmp_path / "hyp", hyp)
    return exp, clips, hyp


def calibrate(exp, ref, tmp_path):
    write_lines(tmp_path / "ref", ref)
    output = exp / "model.calibrated.pth"
    files = (exp / "config.yaml", exp / "model.pth", tmp_path / "ref", tmp_path / "hyp")
    return output, calibrate_model(*files, output)


def test_a_calibrated_model_scores_so_and_says_so(trained, tmp_path, capsys):
    exp, clips, hyp = trained
    original = (exp / "model.pth").read_bytes()
    output, record = calibrate(exp, {u: 2 * v - 3 for u, v in hyp.items()}, tmp_path)
    assert record["slope"] == pytest.approx(1 + 8 / 18, abs=1e-3)
    assert record["n_utt"] == 8 and not record["refused"]
    assert (exp / "model.pth").read_bytes() == original

    def mapped(model):
        for utt, clip in clips.items():
            found = model(clip)["mos"]
            expected = record["intercept"] + record["slope"] * hyp[utt]
            assert found == pytest.approx(expected, abs=1e-4)
        assert model.calibration == record["told"]

    mapped(DistilMOSInference(exp / "config.yaml", output))
    assert describe_model(str(output))["calibration"] == record["told"]
    assert describe_model(str(exp / "model.pth"))["calibration"] == "none"
    # It goes with the packed model, whose checkpoint has no record beside it.
    archive = tmp_path / "m.zip"
    files = f"--train_config {exp}/config.yaml --model_file {output} --output {archive}"
    assert cli(["pack-model", *files.split()]) == 0
    mapped(DistilMOSInference.from_pretrained(str(archive)))
    assert describe_model(str(archive))["calibration"] == record["told"]
    with pytest.raises(UserError, match="is calibrated already"):
        calibrate_model(
            *(exp / "config.yaml", output, tmp_path / "ref", tmp_path / "hyp"),
            exp / "twice.pth",
        )


def test_a_calibration_of_an_earlier_training_is_not_packed(trained, tmp_path):
    exp, _, hyp = trained
    output, _ = calibrate(exp, {u: v + 1 for u, v in hyp.items()}, tmp_path)
    states = torch.load(exp / "model.pth", weights_only=True)
    torch.save(
        {k: v + 1 if v.is_floating_point() else v for k, v in states.items()},
        exp / "model.pth",
    )
    with pytest.raises(UserError, match="made from another model.pth than is there"):
        pack_model(exp / "config.yaml", output, tmp_path / "m.zip")


@pytest.mark.parametrize(
    "name, told",
    [
        ("valid.mos_loss.ave_5best.pth", ", the mean of the 5 best epochs"),
        ("12epoch.pth", ", epoch 12"),
        ("model.pth", ""),
    ],
)
def test_what_chose_the_checkpoint_is_told(trained, tmp_path, name, told):
    """Of the file that a link means, and of a packed model as well."""
    exp, _, hyp = trained
    config = read_yaml(exp / "config.yaml")
    config["best_model_criterion"] = [["valid", "mos_loss", "min"]]
    write_yaml(exp / "config.yaml", config)
    (exp / "model.pth").rename(exp / name)
    link = exp / "valid.mos_loss.link.pth"
    link.symlink_to(name)
    write_lines(tmp_path / "ref", hyp)
    files = (exp / "config.yaml", link, tmp_path / "ref", tmp_path / "hyp")
    calibrate_model(*files, exp / "valid.mos_loss.link.calibrated.pth")
    expected = f"valid mos_loss min (best_model_criterion){told}"
    for model in (link, exp / "valid.mos_loss.link.calibrated.pth"):
        assert describe_model(str(model))["chosen by"] == expected
        archive = tmp_path / "m.zip"
        pack_model(exp / "config.yaml", model, archive)
        assert describe_model(str(archive))["chosen by"] == expected


def test_a_refused_fit_leaves_the_scores_and_says_why(trained, tmp_path):
    exp, clips, hyp = trained
    output, record = calibrate(exp, {u: 6 - v for u, v in hyp.items()}, tmp_path)
    assert "slope" in record["refused"] and record["slope"] == 1
    model = DistilMOSInference(exp / "config.yaml", output)
    found = [model(clip)["mos"] for clip in clips.values()]
    np.testing.assert_allclose(found, list(hyp.values()), atol=1e-6)
    assert model.calibration.startswith("not calibrated, though it was asked for")


def test_a_fit_to_another_scale_puts_the_model_on_it(trained, tmp_path, capsys):
    exp, clips, hyp = trained
    config = read_yaml(exp / "config.yaml")
    opinion = LabelInfo("a", "human", "MOS", scale=(1.0, 5.0))
    write_yaml(exp / "config.yaml", {**config, "label_conf": [opinion.as_dict()]})
    valid = tmp_path / "valid"
    ref = {u: 25 * (v - 1) + 2 for u, v in hyp.items()}
    DataDir(dict.fromkeys(ref, "a.wav"), ref).save(valid)
    Labels((LabelInfo("b", "human", "MUSHRA", scale=(0.0, 100.0)),)).write(
        valid / "labels.yaml"
    )
    output = exp / "model.calibrated.pth"
    files = (
        exp / "config.yaml",
        exp / "model.pth",
        valid / "utt2mos",
        tmp_path / "hyp",
    )
    record = calibrate_model(*files, output)
    assert record["slope"] == pytest.approx(25, abs=1e-2) and not record["refused"]
    assert record["scale"] == [0, 100]
    model = DistilMOSInference(exp / "config.yaml", output)
    for utt, clip in clips.items():
        expected = 25 * (hyp[utt] - 1) + 2 * 8 / 18
        assert model(clip)["mos"] == pytest.approx(expected, abs=0.01)
        assert not any("outside" in w for w in model(clip)["warnings"])
    assert model.labels.scale == (0, 100)
    told = describe_model(str(output))
    assert "towards the map of 1 to 5 to 0 to 100" in told["calibration"]
    assert "scale 1 to 5" in told["labels"]  # of its training
    # So it has an MSE. (That of another scale has none: report/test_scales.py.)
    made = tmp_path / "hyp_dir/valid/utt2mos"
    write_lines(made, ref)
    options = ["--data_dirs", str(valid), "--hyp_dir", str(made.parents[1])]
    options += ["--train_config", str(exp / "config.yaml"), "--model_file"]
    assert cli(["score-sets", *options, str(output)]) == 0
    assert read_yaml(made.parent / "scores.json")["utt"]["mse"]["value"] == 0


def test_other_labels_are_fitted_anew(trained, tmp_path):
    exp, _, hyp = trained
    output, first = calibrate(exp, {u: v + 1 for u, v in hyp.items()}, tmp_path)
    written = output.stat().st_mtime_ns
    _, again = calibrate(exp, {u: v + 1 for u, v in hyp.items()}, tmp_path)
    assert again == first and output.stat().st_mtime_ns == written
    _, other = calibrate(exp, {u: v + 2 for u, v in hyp.items()}, tmp_path)
    assert other["intercept"] > first["intercept"] + 0.3
    assert read_yaml(output.with_suffix(".yaml"))["calibration"] == other


def test_a_packed_model_can_be_calibrated(trained, tmp_path):
    """Its weights carry a SHA-256, which those of the calibrated copy do not have."""
    exp, clips, hyp = trained
    pack_model(exp / "config.yaml", exp / "model.pth", tmp_path / "packed.zip")
    with zipfile.ZipFile(tmp_path / "packed.zip") as z:
        z.extractall(tmp_path / "packed")
    ref = {u: 2 * v - 3 for u, v in hyp.items()}
    output, record = calibrate(tmp_path / "packed", ref, tmp_path)
    model = DistilMOSInference(tmp_path / "packed/config.yaml", output)
    for utt, clip in clips.items():
        expected = record["intercept"] + record["slope"] * hyp[utt]
        assert model(clip)["mos"] == pytest.approx(expected, abs=1e-4)
    # Made of other weights than those that were packed.
    content = read_yaml(output.with_suffix(".yaml"))
    content["calibration"]["from_sha256"] = "0" * 64
    write_yaml(output.with_suffix(".yaml"), content)
    with pytest.raises(UserError, match="not the weights that were packed"):
        DistilMOSInference(tmp_path / "packed/config.yaml", output)
