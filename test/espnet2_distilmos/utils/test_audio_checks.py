"""What is said of a clip whose sound does not reach the model."""

import numpy as np
import pytest
import soundfile
from made_audio import RATE, noise

from espnet2_distilmos.inference.audio import AudioFile, Checks, from_array, mono_16k
from espnet2_distilmos.utils.audio import read_recording

X = noise(1, 1)[:, 0]


def warnings(samples, rate=RATE, size=None):
    """Of (n,) or (n, channels) samples, in blocks of a size."""
    samples = np.asarray(samples, "f4").reshape(len(samples), -1)
    checks, size = Checks(), size or len(samples)
    blocks = (samples[i : i + size] for i in range(0, len(samples), size))
    list(mono_16k(blocks, rate, checks))
    return checks.warnings()


def tone(hertz, rate, seconds=1.0, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


CANCEL = "silence: the channels cancel each other when averaged"
ABOVE = "silence at 16 kHz: all of its sound is above 8 kHz"
CASES = {
    "mono": (X, RATE, []),
    "twice the same": (np.stack([X, X], 1), RATE, []),
    "independent": (noise(1, 2, 2), RATE, []),
    "eight independent": (noise(1, 2, 8), RATE, []),
    "antiphase": (np.stack([X, -X], 1), RATE, [CANCEL]),
    "antiphase, 44.1 kHz": (np.stack([X, -X], 1), 44100, [CANCEL]),
    "nearly antiphase": (
        np.stack([X, -0.9 * X], 1),
        RATE,
        ["channels cancel each other: averaging costs 26 dB"],
    ),
    "a dead channel": (np.stack([X, 0 * X], 1), RATE, ["1 of 2 channels are silent"]),
    "a constant channel": (
        np.stack([X, 0 * X + 0.3], 1),
        RATE,
        ["1 of 2 channels are silent"],
    ),
    "silent": (0 * X, RATE, ["silence (peak below -60 dB)"]),
    "silent stereo": (np.zeros((100, 2)), RATE, ["silence (peak below -60 dB)"]),
    "constant": (0 * X + 0.5, RATE, ["silence (a constant value)"]),
    "constant, 44.1 kHz": (0 * X + 0.5, 44100, ["silence (a constant value)"]),
    "above 8 kHz": (tone(15000, 48000), 48000, [ABOVE]),
    "nearly all above": (
        tone(15000, 48000) + tone(440, 48000, level=0.01),
        48000,
        ["most of its sound is above 8 kHz, which is not heard"],
    ),
    "below 8 kHz": (tone(3000, 48000), 48000, []),
    "white at 48 kHz": (noise(1, 1, 1, 48000), 48000, []),
    "telephone": (tone(300, 8000), 8000, []),
}


@pytest.mark.parametrize("size", [None, 777])
@pytest.mark.parametrize("name", CASES)
def test_what_is_not_heard(name, size):
    samples, rate, expected = CASES[name]
    if size and rate > RATE and "above" in name:
        size = 7777  # the resampler gives nothing for a short first block
    assert warnings(samples, rate, size) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_same_of_files_arrays_and_at_stage_1(tmp_path, name):
    samples, rate, expected = CASES[name]
    path = tmp_path / "x.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    audio = AudioFile(path)
    audio.samples()
    assert audio.checks.warnings() == expected
    checks = Checks()
    from_array(np.asarray(samples, "f4").T, rate, checks)
    assert checks.warnings() == expected
    recording = read_recording(path)
    if rate > RATE:
        import soxr

        recording.checks.look_at_scored(soxr.resample(recording.samples, rate, RATE))
    assert recording.checks.warnings() == expected
