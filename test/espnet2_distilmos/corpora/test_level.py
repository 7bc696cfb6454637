"""Levelling, alone and in stage 1; audio of another recipe's folder."""

import math

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.bin.format_audio import main
from espnet2_distilmos.corpora.level import level_gain
from espnet2_distilmos.utils.datadir import DataDir, read_floats


def test_gain_by_hand():
    """A square wave of 0.5 has -6.02 dB; a full-scale sine -3.01."""
    square = 0.5 * np.sign(np.sin(np.arange(1, 1601))).astype(np.float32)
    assert 20 * math.log10(level_gain(square, -26)) == pytest.approx(-26 + 6.0206)
    sine = np.sin(2 * np.pi * np.arange(16000) / 160)
    assert 20 * math.log10(level_gain(sine, -26)) == pytest.approx(-26 + 3.0103)
    assert level_gain(np.zeros(10), -26) is None


def test_a_pause_counts():
    """A fifth of silence: 0.97 dB more gain than for the speech alone."""
    speech = np.random.default_rng(0).normal(size=8000)
    padded = np.concatenate([speech, np.zeros(2000)])
    more = 20 * math.log10(level_gain(padded, -26) / level_gain(speech, -26))
    assert more == pytest.approx(10 * math.log10(1 / 0.8))


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another recipe's folder with relative paths; we are in ours."""
    clips = {
        "loud": 0.9 * np.sin(np.arange(16000)),
        "quiet": 0.001 * np.sin(np.arange(16000)),
        "silent": np.zeros(16000),
        "spike": np.r_[np.ones(4), np.zeros(31996)],
    }
    recipe = tmp_path / "somos/distilmos1"
    (recipe / "downloads").mkdir(parents=True)
    for utt, samples in clips.items():
        soundfile.write(recipe / f"downloads/{utt}.wav", samples, 16000, "FLOAT")
    wavs = {utt: f"downloads/{utt}.wav" for utt in clips}
    DataDir(wavs, {utt: 3.0 for utt in clips}).save(recipe / "data/test")
    (tmp_path / "ours/distilmos1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "ours/distilmos1")
    return "../../somos/distilmos1"


def test_sets_of_another_recipe_and_levelled(other, caplog):
    base = ["--data_dirs", f"{other}/data/test", "--audio_root", other]
    main([*base, "--output_dir", "raw/somos"])
    plain = DataDir.load("raw/somos/test")
    assert plain.wavs["loud"] == f"{other}/downloads/loud.wav"
    # As the recipe does it: from the formatted set.
    level = ["--data_dirs", "raw/somos/test", "--output_dir", "raw/somos"]
    main([*level, "--level_db", "-26", "--suffix", "@-26dB"])
    data = DataDir.load("raw/somos/test@-26dB")
    assert data.mos == plain.mos
    for utt in ("loud", "quiet"):
        samples, _ = soundfile.read(data.wavs[utt])
        rms = 10 * math.log10(np.mean(samples**2))
        assert rms == pytest.approx(-26, abs=0.02)
    gains = read_floats("raw/somos/test@-26dB/utt2gain_db")
    assert gains["loud"] == pytest.approx(-26 + 3.01 - 20 * math.log10(0.9), abs=0.02)
    assert gains["quiet"] == pytest.approx(-26 + 3.01 + 60, abs=0.02)
    assert gains["silent"] == 0
    assert not soundfile.read(data.wavs["silent"])[0].any()
    assert "1 clip silent, left as they are: silent" in caplog.text
    assert "1 clip clipped" in caplog.text and "full scale: spike" in caplog.text
    # The stamp knows the level.
    main([*level, "--level_db", "-20", "--suffix", "@-26dB"])
    assert read_floats("raw/somos/test@-26dB/utt2gain_db")["loud"] > gains["loud"] + 5
