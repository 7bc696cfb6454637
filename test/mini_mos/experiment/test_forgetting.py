"""Forgetting: an upstream that did not change has forgotten nothing."""

import numpy as np
import pytest
from mini_mos.experiment.tables import forgetting_table, mean_forgetting

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_json
from mini_mos.experiment.forgetting import (
    KEPT,
    READABLE,
    measured_before,
    readable_share,
    token_figures,
)

FOLDS = np.arange(20) % 5


def clips(seed=0):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.standard_normal((6, 8)).astype(np.float32)
    frames = [
        centres[rng.integers(6, size=40)]
        + 0.3 * rng.standard_normal((40, 8)).astype(np.float32)
        for _ in FOLDS
    ]
    return centres, frames, rng


def test_the_same_layer_keeps_every_token():
    centres, frames, _ = clips()
    layers = {"layer 1": frames}
    found = token_figures(layers, layers, {"layer 1": centres}, FOLDS)["layer 1"]
    assert found[KEPT] == 1.0 and found[READABLE] > 0.95


def test_a_turned_layer_keeps_little_but_stays_readable():
    centres, frames, rng = clips()
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    turned = {"layer 1": [f @ turn for f in frames]}
    found = token_figures({"layer 1": frames}, turned, {"layer 1": centres}, FOLDS)
    assert found["layer 1"][KEPT] < 0.6 and found["layer 1"][READABLE] > 0.95


def test_noise_is_forgotten():
    centres, frames, rng = clips()
    noise = {
        "layer 1": [rng.standard_normal(f.shape).astype(np.float32) for f in frames]
    }
    found = token_figures({"layer 1": frames}, noise, {"layer 1": centres}, FOLDS)
    assert found["layer 1"][KEPT] < 0.4 and found["layer 1"][READABLE] < 0.4


def test_the_reading_is_judged_on_other_clips():
    """More features than frames: what is fitted exactly says nothing of fold 0."""
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((3, 200)) for _ in FOLDS]
    tokens = [rng.integers(4, size=3) for _ in FOLDS]
    assert readable_share(frames, tokens, FOLDS, 4) < 0.7


def test_seeds_of_a_model_are_averaged():
    def layers(value):
        return {"layer 1": {"speaker": value, "level": None}}

    measured = {"pretrained": layers(0.5), "a/0": layers(0.2), "a/1": layers(0.4)}
    means = mean_forgetting(measured)
    assert means["a"]["layer 1"] == {"speaker": pytest.approx(0.3), "level": None}
    assert "| a          | layer 1 | 0.300   | –     |" in forgetting_table(measured)


def test_only_the_very_same_models_count_as_measured(tmp_path):
    path, request = tmp_path / "forgetting.json", {"seed": 0}
    digests = {"a/0": "x", "a/1": "y"}
    assert measured_before(path, request, digests) == {}
    models = {"pretrained": {"n": 1}, "a/0": {"n": 2}, "b/0": {"n": 3}}
    sha256 = {"a/0": "x", "b/0": "z"}
    write_json(path, {"request": request, "models": models, "sha256": sha256})
    found = measured_before(path, request, digests)
    assert found == {"pretrained": {"n": 1}, "a/0": {"n": 2}}
    assert set(measured_before(path, request, {"a/0": "new"})) == {"pretrained"}
    assert measured_before(path, {"seed": 1}, digests) == {}
    path.write_text("{}")
    with pytest.raises(UserError, match="not what measure_forgetting writes"):
        measured_before(path, request, digests)
