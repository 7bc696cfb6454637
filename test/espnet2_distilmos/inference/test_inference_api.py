"""The Python API: what it takes, what it says of it, what it refuses."""

import numpy as np
import pytest
import soundfile
import torch

from espnet2_distilmos.inference.audio import AudioFile, Checks, mono_16k
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.utils.errors import UserError


def test_result(engine, tools):
    result = engine(tools.speech(1.0), fs=16000)
    assert isinstance(result["mos"], float)
    assert result["frame_mos"].shape == (49,)
    assert result["frame_mos"].dtype == np.float32
    assert result["frame_shift"] == pytest.approx(0.02)
    assert result["mos"] == pytest.approx(result["frame_mos"].mean(), abs=1e-6)


@pytest.mark.parametrize(
    "convert",
    [
        torch.from_numpy,
        lambda x: torch.from_numpy(x).double().requires_grad_(),
        lambda x: x.astype(np.float64),
        lambda x: np.stack([x, x]),
        lambda x: np.stack([1.5 * x, 0.5 * x]),
        lambda x: x[None],
    ],
)
def test_forms_of_the_same_clip(engine, tools, convert):
    clip = tools.speech(1.0)
    assert engine(convert(clip))["mos"] == pytest.approx(engine(clip)["mos"], abs=1e-5)


def test_integers_are_of_full_scale(engine, tools):
    clip = np.round(tools.speech(1.0) * 32768).astype(np.int16)
    expected = engine(clip / np.float32(32768))["mos"]
    assert engine(clip)["mos"] == pytest.approx(expected, abs=1e-6)
    assert engine(torch.from_numpy(clip))["mos"] == pytest.approx(expected, abs=1e-6)


def test_rates_may_differ_in_a_batch(engine, tools):
    clips = [tools.speech(1.0, rate) for rate in (8000, 16000, 44100)]
    batch = engine.score_batch(clips, fs=[8000, 16000, 44100])
    for clip, rate, result in zip(clips, (8000, 16000, 44100), batch):
        assert len(result["frame_mos"]) == 49
        assert engine(clip, fs=rate)["mos"] == pytest.approx(result["mos"], abs=1e-5)
    with pytest.raises(UserError, match="2 sampling rates for 3 clips"):
        engine.score_batch(clips, fs=[8000, 16000])


@pytest.mark.parametrize(
    ("speech", "fs", "message"),
    [
        (np.zeros(399, np.float32), 16000, "too short: 0.0249 s.*needs 0.0250 s"),
        (np.zeros(0, np.float32), 16000, r"\(n,\) or \(channels, n\)"),
        (np.zeros((2, 2, 400), np.float32), 16000, r"\(n,\) or \(channels, n\)"),
        (np.zeros((16000, 2), np.float32), 16000, "transpose"),
        (np.zeros(16000, bool), 16000, "floats or signed integers"),
        (np.zeros(16000, np.float32), 0, "sampling rate"),
        (np.full(16000, np.nan, np.float32), 16000, "nothing but NaN"),
    ],
)
def test_refusals(engine, speech, fs, message):
    with pytest.raises(UserError, match=message):
        engine(speech, fs=fs)


def test_the_shortest_clip_has_one_frame(engine):
    assert engine(0.1 * np.ones(400, np.float32))["frame_mos"].shape == (1,)


def test_warnings(engine, tools):
    def warn(x):
        return " | ".join(engine(x)["warnings"])

    clip = tools.speech(1.0)
    normal = warn(clip)
    for word in ("silence", "NaN", "clip", "full scale"):
        assert word not in normal
    assert "silence" in warn(np.zeros(16000, np.float32))
    bad = clip.copy()
    bad[100:103] = np.nan, np.inf, -np.inf
    assert "3 NaN or Inf samples taken as 0" in warn(bad)
    assert np.isfinite(engine(bad)["mos"])
    assert "clipped" in warn(np.clip(30 * clip, -1, 1))
    loud = clip.copy()
    loud[::100] = 1.7
    assert "peak 1.7 is over full scale" in warn(loud)


def test_scores_outside_the_scale_are_told(engine, tools, monkeypatch):
    bias = engine.network.predictor.decoder.output.bias
    clip = tools.speech(1.0)
    assert "outside" not in str(engine(clip)["warnings"])
    with torch.no_grad():
        bias += 5
    try:
        assert "score outside 1 to 5" in str(engine(clip)["warnings"])
    finally:
        with torch.no_grad():
            bias -= 5


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_clipping_is_counted_the_same_in_any_blocks(size):
    clip = np.zeros((40, 2), np.float32)
    clip[3:6, 0] = 1.0  # three
    clip[9:11, 0] = 1.0  # two: no run
    clip[11:16, 1] = -1.0  # five
    clip[30:40, 0] = 1.0  # ten
    checks = Checks()
    blocks = (clip[i : i + size] for i in range(0, 40, size))
    list(mono_16k(blocks, 16000, checks))
    assert checks.n_clipped == 18
    assert checks.n_samples == 40


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_files_of_many_kinds(tmp_path, tools, name):
    audio = AudioFile(tools.wav(tmp_path / name, 2.0, 24000, channels=2))
    assert (audio.rate, audio.channels) == (24000, 2)
    assert audio.seconds == pytest.approx(2.0, abs=0.1)
    assert len(audio.samples()) == pytest.approx(32000, abs=1600)


def test_a_file_streams_as_it_loads(tmp_path, tools):
    path = tools.wav(tmp_path / "a.wav", 25.3, 44100, channels=2, subtype="FLOAT")
    audio = AudioFile(path)
    blocks = list(audio.blocks())
    assert len(blocks) > 2
    samples, rate = soundfile.read(path, dtype="float32")
    whole = np.concatenate(list(mono_16k([samples], rate, Checks())))
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


def test_bad_files_do_not_stop_the_others(tmp_path, engine, tools):
    good = tools.wav(tmp_path / "good.wav", 1.0)
    (tmp_path / "text.wav").write_text("no audio")
    short = tools.wav(tmp_path / "short.wav", 0.01)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    paths = [
        tmp_path / "none.wav",
        good,
        tmp_path / "text.wav",
        short,
        tmp_path / "empty.wav",
        good,
    ]
    results = list(engine.score_files(paths))
    assert [r["mos"] is not None for r in results] == [False, True] + 3 * [False] + [
        True
    ]
    for path, result in zip(paths, results):
        assert result["file"] == str(path)
        if result["mos"] is None:
            assert str(path) in result["error"]
    assert "too short: 0.0100 s" in results[3]["error"]


def test_a_score_that_is_no_number_is_an_error(tmp_path, engine, tools, monkeypatch):
    good, bad = (tools.wav(tmp_path / f"{i}.wav", 0.5, seed=i) for i in range(2))
    score_clips = engine.score_clips

    def second_is_broken(clips):
        first, second = score_clips(clips)
        return [first, second._replace(mos=float("nan"))]

    monkeypatch.setattr(engine, "score_clips", second_is_broken)
    fine, broken = engine.score_files([good, bad])
    assert fine["mos"] is not None
    assert broken["mos"] is None and "1.wav: no finite score" in broken["error"]


def test_model_files_are_checked(tmp_path, tiny_model, tools):
    config = tiny_model / "config.yaml"
    with pytest.raises(UserError, match="config.yaml: model_file is needed"):
        DistilMOSInference(config)
    with pytest.raises(UserError, match="none.pth: no such model file"):
        DistilMOSInference(config, tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    with pytest.raises(UserError, match="text.pth: cannot be loaded as weights"):
        DistilMOSInference(config, tmp_path / "text.pth")
    other = tools.model(tmp_path / "other", wavlm={"encoder_layers": 3})
    with pytest.raises(UserError, match="model.pth: does not fit .*config.yaml.*more"):
        DistilMOSInference(config, other / "model.pth")
    with pytest.raises(UserError, match="original.pt: does not fit"):
        DistilMOSInference(config, tiny_model / "original.pt")


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:99"])
def test_devices(tiny_model, device):
    if device == "cuda:99" and torch.cuda.is_available():
        pytest.skip("only where there is no CUDA")
    with pytest.raises(UserError, match=device):
        DistilMOSInference(
            tiny_model / "config.yaml", tiny_model / "model.pth", device=device
        )


def test_device_auto(tiny_model):
    model = DistilMOSInference(None, tiny_model / "model.pth", device="auto")
    assert model.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_recorded_scale_decides_which_score_is_odd(pesq_model, tiny_model):
    """4.8 is an odd PESQ, and no odd MOS."""
    from espnet2_distilmos.inference.audio import Checks
    from espnet2_distilmos.inference.engine import DistilMOSInference
    from espnet2_distilmos.inference.files import Score

    pesq, unknown = (
        DistilMOSInference(folder / "config.yaml", folder / "model.pth")
        for folder in (pesq_model, tiny_model)
    )
    score = Score(4.8, np.full(3, 4.8, np.float32))
    assert pesq.result(score, Checks())["warnings"][1:] == ["score outside 1 to 4.64"]
    # Of a clip without samples.
    assert unknown.result(score, Checks())["warnings"] == [
        "silence (peak below -60 dB)"
    ]
    assert pesq.labels.name == "PESQ MOS-LQO" and not unknown.labels
