"""The page of a set that stage 6 has scored, from its files."""

import numpy as np
import pytest
import soundfile
from pages import data_of

from espnet2_distilmos.page.pictures import wave_of
from espnet2_distilmos.page.predictions import write_set_page
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def made(tmp_path):
    """A set with a clip that is silent and one of which nothing is left, scored."""
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal(8000)
    clips = {"a": noise, "b": np.zeros(8000), "c": np.stack([noise, -noise], 1)}
    wavs = {utt: str(tmp_path / f"{utt}.wav") for utt in clips}
    for utt, samples in clips.items():
        soundfile.write(wavs[utt], samples, 16000)
    DataDir(wavs, mos={"a": 3.0, "b": 2.0, "c": 1.0}).save(tmp_path / "raw/test")
    write_lines(tmp_path / "scored/utt2mos", {"a": 4.0, "b": 1.0, "c": 2.0})
    return tmp_path


def test_silent_clips_are_shown_and_in_no_mean(made):
    write_set_page(made / "scored", made / "raw/test", "test", "a model", Labels())
    data = data_of(made / "scored/report.html")
    (group,) = data["groups"]
    assert (group["n"], group["silent"], group["failed"]) == (1, 2, 0)
    assert group["mean"] == 4.0
    assert [clip.get("silent", False) for clip in data["clips"]] == [False, True, True]
    assert "cancel each other" in data["clips"][2]["warnings"][0]


def test_an_envelope_has_what_is_odd_about_the_clip(made):
    assert wave_of(made / "a.wav").warnings == []
    assert wave_of(made / "b.wav").warnings == ["silence (peak below -60 dB)"]
