"""Formats that only FFmpeg reads, bounds of rates and lengths, reasons, open files."""

import builtins
import os
import struct

import numpy as np
import pytest
from made_audio import RATE, encoded, noise, with_total, written

from espnet2_distilmos.inference.audio import AudioFile
from espnet2_distilmos.utils.audio import (
    average,
    open_audio,
    read_audio,
    read_recording,
)
from espnet2_distilmos.utils.errors import UserError

A = noise(2, 1)
FFMPEG = {
    "a.m4a": {"codec": "aac", "container": "ipod"},
    "a.aac": {"codec": "aac", "container": "adts"},
    "a.mka": {"codec": "aac", "container": "matroska"},
    "a.wma": {"codec": "wmav2", "container": "asf"},
}


@pytest.mark.parametrize("name", FFMPEG)
def test_formats_that_only_ffmpeg_reads(tmp_path, name):
    tone = 0.5 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 440 / RATE)[:, None]
    encoded(tmp_path / name, tone.astype("f4"), **FFMPEG[name])
    samples, rate = read_audio(tmp_path / name)
    assert rate == RATE and 1.9 < len(samples) / RATE < 2.2
    middle = samples[8000:24000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440
    assert not read_recording(tmp_path / name).plain


@pytest.mark.parametrize("name", ["a.m4a", "a.mka", "a.wma"])
def test_those_cut_off(tmp_path, name):
    content = encoded(tmp_path / name, A, **FFMPEG[name])
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    try:
        notes = "; ".join(read_recording(tmp_path / name).checks.notes)
    except UserError as e:
        notes = str(e)
        assert name in notes
    assert "cut off" in notes or "is it whole?" in notes


def test_without_pyav_nothing_is_scored_in_part(tmp_path, monkeypatch):
    content = written(tmp_path / "a.flac", A)
    (tmp_path / "a.flac").write_bytes(with_total(content, 0))
    encoded(tmp_path / "a.m4a", A, **FFMPEG["a.m4a"])
    real = builtins.__import__

    def without_av(name, *rest):
        if name == "av":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_av)
    for name in ("a.flac", "a.m4a"):
        with pytest.raises(UserError, match=rf"{name}: .*pip install av"):
            read_audio(tmp_path / name)


def test_play_lists_are_no_audio(tmp_path):
    """FFmpeg would read the files and addresses that they name."""
    written(tmp_path / "real.wav", A)
    for name, text in (
        ("a.wav", "ffconcat version 1.0\nfile 'real.wav'\n"),
        ("a.m4a", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nreal.wav\n"),
        ("a.sdp", "v=0\nm=audio 9 RTP/AVP 0\nc=IN IP4 127.0.0.1\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match="cannot be read as audio"):
            read_audio(tmp_path / name)


@pytest.mark.parametrize("rate", [1, 3999, 768001, 2**31 - 1])
def test_rates_that_no_speech_has(tmp_path, rate):
    content = bytearray(written(tmp_path / "a.wav", A))
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(content)
    message = f"a.wav: a sampling rate of {rate} Hz; 4000 to 768000 are read"
    with pytest.raises(UserError, match=message):
        AudioFile(tmp_path / "a.wav")
    with pytest.raises(UserError, match=message):
        read_audio(tmp_path / "a.wav")


def test_too_many_channels(tmp_path):
    written(tmp_path / "a.wav", noise(0.1, 1, 64))
    assert read_recording(tmp_path / "a.wav").channels == 64
    written(tmp_path / "a.wav", noise(0.1, 1, 65))
    with pytest.raises(UserError, match="65 channels; at most 64 are read"):
        read_audio(tmp_path / "a.wav")


def test_a_file_that_is_too_long_to_hold(tmp_path, monkeypatch):
    from espnet2_distilmos.utils.audio import recording

    written(tmp_path / "a.flac", A)
    monkeypatch.setattr(recording, "MOST_SAMPLES", 20000)
    with pytest.raises(UserError, match="a.flac: longer than 0.0 h; cut it"):
        read_audio(tmp_path / "a.flac")
    # Whatever its header says: 2 s, and no more than 1 s is held.
    content = written(tmp_path / "a.flac", A)
    (tmp_path / "a.flac").write_bytes(with_total(content, 0))
    audio = AudioFile(tmp_path / "a.flac")
    assert audio.frames is None and audio.samples(most=1.0) is None
    assert len(np.concatenate(list(audio.blocks()))) == 32000


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 7, 8, 20])
def test_the_average_is_numpys(channels):
    block = noise(0.1, 5, channels)
    np.testing.assert_array_equal(average(block), block.mean(axis=1))


def test_reasons_are_the_systems(tmp_path):
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "._a.wav").write_bytes(b"\0\5\x16\7" + bytes(200))
    written(tmp_path / "a.wav", A)
    for name, message in (
        ("none.wav", "none.wav: no such file$"),
        ("loop.wav", "loop.wav: cannot be opened .too many levels of symbolic links"),
        ("a.wav/b.wav", "b.wav: cannot be opened .not a directory.$"),
        ("._a.wav", "a file that macOS puts beside another"),
    ):
        with pytest.raises(UserError, match=message):
            open_audio(tmp_path / name)


def test_no_file_stays_open(tmp_path):
    written(tmp_path / "a.wav", A)
    content = written(tmp_path / "a.ogg", A, subtype="VORBIS")
    (tmp_path / "a.ogg").write_bytes(content * 2)
    (tmp_path / "a.txt").write_text("no audio")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        AudioFile(tmp_path / "a.wav")
        AudioFile(tmp_path / "a.wav").samples()
        AudioFile(tmp_path / "a.wav").samples(most=1.0)
        read_audio(tmp_path / "a.ogg")
        with pytest.raises(UserError):
            open_audio(tmp_path / "a.txt")
    assert len(os.listdir("/proc/self/fd")) == before
