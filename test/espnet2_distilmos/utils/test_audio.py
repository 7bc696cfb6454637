"""Reading audio files."""

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.utils.audio import read_16k, read_audio
from espnet2_distilmos.utils.errors import UserError


def test_channels_are_averaged(tmp_path):
    x = np.array([[0.5, 0.0], [-0.25, 0.75], [0.125, 0.125]])
    soundfile.write(tmp_path / "x.wav", x, 8000, subtype="FLOAT")
    samples, rate = read_audio(tmp_path / "x.wav")
    assert rate == 8000 and samples.dtype == np.float32
    assert samples.tolist() == [0.25, 0.25, 0.125]


def test_only_16_khz_after_stage_1(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(10), 16000)
    soundfile.write(tmp_path / "b.wav", np.zeros(10), 22050)
    assert read_16k(tmp_path / "a.wav").shape == (10,)
    with pytest.raises(UserError, match="b.wav: 22050 Hz; stage 1 makes 16000 Hz"):
        read_16k(tmp_path / "b.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers(tmp_path, bad):
    x = np.zeros(100)
    x[50] = bad
    soundfile.write(tmp_path / "x.wav", x, 16000, subtype="FLOAT")
    with pytest.raises(UserError, match="x.wav: holds NaN or Inf samples"):
        read_audio(tmp_path / "x.wav")


def test_no_audio(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    (tmp_path / "text.wav").write_text("RIFF, not really")
    for name, message in (
        ("empty.wav", "holds no samples"),
        ("text.wav", "cannot be read as audio"),
        ("absent.wav", "absent.wav: no such file"),
        (".", "not a file"),
    ):
        with pytest.raises(UserError, match=message):
            read_audio(tmp_path / name)
