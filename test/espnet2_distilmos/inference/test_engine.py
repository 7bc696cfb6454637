"""The engine: loads what was trained and nothing else."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import soxr
import torch
import yaml

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(scope="module")
def exp(tmp_path_factory, wavlm_conf):
    """config.yaml and a checkpoint as training leaves them, of random weights."""
    folder = tmp_path_factory.mktemp("exp")
    torch.manual_seed(0)
    conf = {"hidden_size": 8, "strides": [2, 1, 1]}
    network = build_network(wavlm_conf(), "distilmos", conf, n_tokens=6)
    torch.nn.init.normal_(network.predictor.decoder.output.weight)
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, folder / "valid.srcc.best.pth")
    torch.save({"model": states, "optimizers": []}, folder / "checkpoint.pth")
    config = {
        "upstream_conf": wavlm_conf(),
        "predictor": "distilmos",
        "predictor_conf": conf,
        "optim": "adamw",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def model(exp):
    return DistilMOSInference(exp / "config.yaml", exp / "valid.srcc.best.pth")


def test_scores_are_those_of_the_trained_network(exp, model, wavlm_conf, noise):
    conf = {"hidden_size": 8, "strides": [2, 1, 1]}
    network = build_network(wavlm_conf(), "distilmos", conf, n_tokens=6).eval()
    states = torch.load(exp / "valid.srcc.best.pth", weights_only=True)
    network.load_state_dict({k.removeprefix("network."): v for k, v in states.items()})
    speech = noise(1, 20000)
    with torch.no_grad():
        expected = network(torch.from_numpy(speech)[None], torch.tensor([20000]))
    found = model(speech)
    assert type(found["mos"]) is float
    assert found["mos"] == pytest.approx(expected.mos.item(), abs=1e-5)
    assert found["frame_mos"].dtype == np.float32 and found["frame_mos"].shape == (31,)
    np.testing.assert_allclose(found["frame_mos"], expected.frame_mos[0], atol=1e-5)
    assert found["mos"] == pytest.approx(found["frame_mos"].mean(), abs=1e-5)
    assert found["frame_shift"] == 0.04


def test_the_same_from_a_training_checkpoint_beside_its_config(exp, model, noise):
    other = DistilMOSInference(None, exp / "checkpoint.pth")
    assert other(noise(1))["mos"] == model(noise(1))["mos"]


def test_other_rates_and_channels(model, noise):
    speech = noise(1, 24000)
    expected = model(soxr.resample(speech, 24000, 16000))["mos"]
    assert model(speech, fs=24000)["mos"] == expected
    assert model(speech)["mos"] != pytest.approx(expected, abs=1e-3)
    stereo = np.stack([speech, np.zeros_like(speech)])
    assert model(stereo)["mos"] == model(speech / 2)["mos"]
    assert model(torch.from_numpy(speech), fs=24000)["mos"] == expected


@pytest.mark.parametrize("shape", [(1, 2, 16000), ()])
def test_bad_shapes_are_refused(model, shape):
    with pytest.raises(UserError, match=r"must be \(n,\) or \(channels, n\)"):
        model(np.zeros(shape, np.float32))


def test_too_short_a_clip_is_refused(model):
    with pytest.raises(UserError, match="too short: 0.0249 s"):
        model(np.zeros(399, np.float32))


class Code:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def change(exp, tmp_path, edit):
    states = torch.load(exp / "valid.srcc.best.pth", weights_only=True)
    edit(states)
    torch.save(states, tmp_path / "x.pth")


OUTPUT = "network.predictor.decoder.output.weight"


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda s: s.pop(OUTPUT), "predictor.decoder.output.weight is missing; take"),
        (
            lambda s: s.update({"network.predictor.new": torch.zeros(1)}),
            "predictor.new is not of this model; take",
        ),
        (
            lambda s: s.update({OUTPUT: torch.zeros(1, 9)}),
            r"output.weight is \(1, 9\) instead of \(1, 8\); take",
        ),
        (lambda s: s.clear(), r"is missing \(and \d+ more\); take"),
        (lambda s: s.update(epoch=3), "not a checkpoint of this package"),
    ],
    ids=["missing", "unknown", "shape", "empty", "other"],
)
def test_weights_must_fit(exp, tmp_path, edit, message):
    change(exp, tmp_path, edit)
    with pytest.raises(UserError, match=f"x.pth: .*{message}"):
        DistilMOSInference(exp / "config.yaml", tmp_path / "x.pth")


def test_files_that_are_no_checkpoints(exp, tmp_path):
    whole = (exp / "valid.srcc.best.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    evil = {OUTPUT: Code(tmp_path / "it ran")}
    torch.save(evil, tmp_path / "evil.pth")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(evil))
    for name in ("half", "text", "list", "evil", "pickle", "absent"):
        with pytest.raises(UserError, match=f"{name}.pth: ") as caught:
            DistilMOSInference(exp / "config.yaml", tmp_path / f"{name}.pth")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "it ran").exists()


def test_configurations_that_do_not_fit(exp, tmp_path):
    config = yaml.safe_load((exp / "config.yaml").read_text())
    for change, message in (
        ({"predictor_conf": {"hidden_size": 16}}, "does not fit .*instead of"),
        ({"predictor": "sslmos", "predictor_conf": {}}, "does not fit"),
        ({"predictor": "other"}, "not the config.yaml of a DistilMOS training"),
        ({"upstream_conf": {}}, "not the config.yaml of a DistilMOS training"),
    ):
        (tmp_path / "x.yaml").write_text(yaml.safe_dump({**config, **change}))
        with pytest.raises(UserError, match=message):
            DistilMOSInference(tmp_path / "x.yaml", exp / "valid.srcc.best.pth")
    with pytest.raises(UserError, match="y.yaml: cannot be read"):
        DistilMOSInference(tmp_path / "y.yaml", exp / "valid.srcc.best.pth")


def test_scoring_needs_no_espnet(exp):
    code = (
        "import sys\n"
        "from espnet2_distilmos.inference.engine import DistilMOSInference\n"
        f"DistilMOSInference(None, {str(exp / 'checkpoint.pth')!r})\n"
        "heavy = {'espnet', 'espnet2', 's3prl.hub', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
