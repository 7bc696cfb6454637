"""A clip's score depends on the clip and nothing else."""

import numpy as np
import pytest
import torch

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.load import load_network

TOLERANCE = 1e-4


@pytest.fixture
def clips(tools):
    """20 clips of 0.0251 to 30 s."""
    seconds = [0.05, 0.0251, 30.0, 20.0, 20.01, 19.99]
    seconds += list(np.random.default_rng(1).uniform(0.05, 24, 14))
    return [tools.speech(s, seed=i) for i, s in enumerate(seconds)]


def differences(a, b):
    assert all(len(x["frame_mos"]) == len(y["frame_mos"]) for x, y in zip(a, b))
    return max(
        max(abs(x["mos"] - y["mos"]) for x, y in zip(a, b)),
        max(np.abs(x["frame_mos"] - y["frame_mos"]).max() for x, y in zip(a, b)),
    )


def test_score_does_not_depend_on_the_batch(engine, clips, monkeypatch):
    """Alone and shuffled in batches of 7 to 1000 s."""
    alone = [engine(clip) for clip in clips]
    rng = np.random.default_rng(2)
    for seconds in (7, 40, 1000):
        monkeypatch.setattr(engine, "batch_samples", seconds * 16000)
        order = rng.permutation(len(clips))
        batch = engine.score_batch([clips[i] for i in order])
        assert differences([alone[i] for i in order], batch) < TOLERANCE


@pytest.mark.parametrize("logits", [[2.0, 0.5, -1.0, -1.0], [0.0, 3.0, 0.0, 0.0]])
def test_layers_of_weight_zero_are_skipped_and_nothing_changes(
    tmp_path, tools, logits, clips
):
    folder = tools.model(tmp_path, logits=logits)
    model = DistilMOSInference(folder / "config.yaml", folder / "model.pth")
    assert model.network.upstream.active_layers == (1, 2)
    full = load_network(folder / "config.yaml", folder / "model.pth")
    clip = torch.from_numpy(clips[3][:48000])[None]
    with torch.no_grad():
        expected = full(clip, torch.tensor([48000]))
    result = model(clip[0])
    assert result["mos"] == pytest.approx(float(expected.mos), abs=1e-6)
    assert result["frame_mos"] == pytest.approx(expected.frame_mos[0].numpy(), abs=1e-6)


def test_plain_ssl_mos_keeps_its_last_layer(tmp_path, tools):
    folder = tools.model(tmp_path, predictor="sslmos")
    model = DistilMOSInference(folder / "config.yaml", folder / "model.pth")
    assert model.network.upstream.active_layers == (1, 2, 3, 4)
    assert np.isfinite(model(tools.speech(1.0))["mos"])


def test_strides_score_the_same_in_a_batch(tmp_path, tools):
    folder = tools.model(tmp_path, kernels=[5, 3], strides=[2, 3])
    model = DistilMOSInference(
        folder / "config.yaml", folder / "model.pth", window_seconds=2.0
    )
    assert model.frame_shift == pytest.approx(0.12)
    clips = [tools.speech(s, seed=i) for i, s in enumerate([0.05, 1.3, 2.0, 3.33])]
    alone = [model(clip) for clip in clips]
    assert differences(alone, model.score_batch(clips)) < TOLERANCE
    frames = [(len(c) - 80) // 320 for c in clips]
    assert [len(a["frame_mos"]) for a in alone] == [-(-n // 6) for n in frames]


def test_files_score_as_arrays_in_any_order(tmp_path, engine, tools):
    paths = [
        tools.wav(tmp_path / f"{i}.wav", s, seed=i, subtype="FLOAT")
        for i, s in enumerate([0.3, 2.0, 45.0, 0.05])
    ]
    alone = [engine(tools.speech(s, seed=i)) for i, s in enumerate([0.3, 2, 45, 0.05])]
    results = list(engine.score_files(paths, num_workers=3))
    assert [r["file"] for r in results] == [str(p) for p in paths]
    assert differences(alone, results) < TOLERANCE
    assert differences(alone[::-1], list(engine.score_files(paths[::-1]))) < TOLERANCE
