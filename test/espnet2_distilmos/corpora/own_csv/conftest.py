"""Clips that a CSV names."""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def folder(tmp_path):
    """wavs/0.wav to wavs/29.wav, a tenth of a second each."""
    folder = tmp_path / "my test"
    (folder / "wavs").mkdir(parents=True)
    for i in range(30):
        soundfile.write(folder / f"wavs/{i}.wav", np.full(800, 0.1 + 0.01 * i), 8000)
    return folder
