"""Forgetting: an upstream that did not change has forgotten nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_yaml
from mini_mos.experiment.forgetting import (
    KEPT,
    READABLE,
    forgetting_table,
    mean_of_seeds,
    measure_forgetting,
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
    found = token_figures(
        layers, layers, {"layer 1": torch.from_numpy(centres)}, FOLDS
    )["layer 1"]
    assert found[KEPT] == 1.0 and found[READABLE] > 0.95


def test_a_turned_layer_keeps_little_but_stays_readable():
    centres, frames, rng = clips()
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    turned = {"layer 1": [f @ turn for f in frames]}
    found = token_figures(
        {"layer 1": frames}, turned, {"layer 1": torch.from_numpy(centres)}, FOLDS
    )
    assert found["layer 1"][KEPT] < 0.6 and found["layer 1"][READABLE] > 0.95


def test_noise_is_forgotten():
    centres, frames, rng = clips()
    noise = {
        "layer 1": [rng.standard_normal(f.shape).astype(np.float32) for f in frames]
    }
    found = token_figures(
        {"layer 1": frames}, noise, {"layer 1": torch.from_numpy(centres)}, FOLDS
    )
    assert found["layer 1"][KEPT] < 0.4 and found["layer 1"][READABLE] < 0.4


def test_the_reading_is_judged_on_other_clips():
    """More features than frames: what is fitted exactly says nothing of fold 0."""
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((3, 200)) for _ in FOLDS]
    tokens = [rng.integers(4, size=3) for _ in FOLDS]
    assert readable_share(frames, tokens, FOLDS, 4) < 0.7


def test_seeds_of_an_arm_are_averaged():
    def layers(value):
        return {"layer 1": {KEPT: value, READABLE: 0.5}}

    measured = {"pretrained": layers(1.0), "a_s0": layers(0.2), "a_s1": layers(0.4)}
    means = mean_of_seeds(measured)
    assert list(means) == ["pretrained", "a"]
    assert means["a"]["layer 1"][KEPT] == pytest.approx(0.3)
    assert "| a          | token kept      | 0.30    |" in forgetting_table(means)


class Shifted(torch.nn.Module):
    """An upstream of two layers: frames of 4 samples, the second one shifted."""

    layers = [1, 2]

    def __init__(self, shift, *kept):
        super().__init__()
        self.shift = shift
        self.kept = [*kept]  # further states, of the pretrained upstream

    def forward(self, x, lengths):
        frames = x.reshape(1, -1, 4)
        return [frames, frames + self.shift, *self.kept], lengths // 4


def test_models_are_measured_against_the_pretrained_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    said = [f"prompt{i // 2}" for i in range(10)]
    clips = [rng.standard_normal(80).astype(np.float32) for _ in range(10)]
    centres = rng.standard_normal((5, 4)).astype(np.float32)
    for layer in (1, 2):
        np.save(layer_file(tmp_path, layer), centres)
    made = {"n_clusters": 5, "layers": [1, 2], "upstream": {}}
    write_yaml(tmp_path / "provenance.yaml", made)
    tuned = SimpleNamespace(upstream=Shifted(9.0, torch.zeros(1, 20, 4)))
    monkeypatch.setattr("espnet2_distilmos.packs.load.load_network", lambda *_: tuned)
    found = dict(
        measure_forgetting(Shifted(0.0), {"a_s0": ("c", "m")}, clips, said, tmp_path)
    )
    assert found["pretrained"]["layer 2"][KEPT] == 1.0
    assert found["a_s0"]["layer 1"][KEPT] == 1.0
    assert found["a_s0"]["layer 2"][KEPT] < 0.5
    # A shift is nothing to a linear reader.
    assert (
        found["a_s0"]["layer 2"] | found["pretrained"]["layer 2"]
        == (found["pretrained"]["layer 2"])
    )
    few = measure_forgetting(Shifted(0.0), {}, clips, said[:8], tmp_path)
    with pytest.raises(UserError, match="4 prompts; at least 5"):
        next(few)
    write_yaml(tmp_path / "provenance.yaml", {**made, "standardize_states": True})
    with pytest.raises(UserError, match="standardised states"):
        next(measure_forgetting(Shifted(0.0), {}, clips, said, tmp_path))
