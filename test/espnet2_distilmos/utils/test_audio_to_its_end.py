"""All of a file is read, or it is told what is not."""

import struct

import numpy as np
import pytest
import soundfile
from made_audio import RATE, encoded, noise, with_total, written

from espnet2_distilmos.inference.audio import AudioFile
from espnet2_distilmos.utils.audio import open_audio, read_audio, read_recording
from espnet2_distilmos.utils.errors import UserError

A, B = noise(2, 1), noise(3, 2)
# Name -> what libsndfile is to write.
WRITTEN = {
    "a.wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "gsm.wav": {"subtype": "GSM610"},
    "wavex.wav": {"format": "WAVEX", "subtype": "PCM_24"},
    "rf64.wav": {"format": "RF64", "subtype": "PCM_16"},
    "a.w64": {"subtype": "PCM_16"},
    "a.au": {"subtype": "PCM_16"},
    "a.aiff": {"subtype": "PCM_24"},
    "a.caf": {"subtype": "PCM_16"},
    "a.sph": {"format": "NIST", "subtype": "PCM_16"},
    "a.flac": {"subtype": "PCM_16"},
    "vorbis.ogg": {"subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {"format": "MP3"},
}
TAG = b"TAG" + bytes(125)  # ID3v1


def seconds_and_notes(path):
    """What the scorer and what stage 1 find, which is the same."""
    recording = read_recording(path)
    audio = AudioFile(path)
    samples = audio.samples()
    seconds = len(recording.samples) / recording.rate
    assert audio.seconds == pytest.approx(seconds, abs=1e-9)
    assert len(samples) / RATE == pytest.approx(seconds, abs=0.001)
    assert audio.checks.notes == recording.checks.notes
    return seconds, "; ".join(recording.checks.notes)


@pytest.mark.parametrize("name", WRITTEN)
def test_joined_files_are_read_one_by_one(tmp_path, name):
    first = written(tmp_path / name, A, **WRITTEN[name])
    parts = [soundfile.read(tmp_path / name, dtype="float32")[0]]
    second = written(tmp_path / f"2{name}", B, **WRITTEN[name])
    parts.append(soundfile.read(tmp_path / f"2{name}", dtype="float32")[0])
    (tmp_path / name).write_bytes(first + second)
    assert seconds_and_notes(tmp_path / name) == (
        5.0,
        "2 sounds joined in one file, read one by one",
    )
    samples, _ = read_audio(tmp_path / name)
    # An MP3's decoder rounds by the size of the pieces that it is asked for.
    atol = 1e-7 if name == "a.mp3" else 0
    np.testing.assert_allclose(samples, np.concatenate(parts), rtol=0, atol=atol)
    assert not read_recording(tmp_path / name).plain


@pytest.mark.parametrize("name", WRITTEN)
def test_whole_files_and_tags_behind_them_cause_no_word(tmp_path, name):
    content = written(tmp_path / name, A, **WRITTEN[name])
    assert seconds_and_notes(tmp_path / name) == (2.0, "")
    assert read_recording(tmp_path / name).plain
    if not name.endswith(".sph"):  # has no place for tags
        (tmp_path / name).write_bytes(content + TAG)
        assert seconds_and_notes(tmp_path / name) == (2.0, "")


@pytest.mark.parametrize(
    "name, message",
    [
        (name, r"x.*: cut off, \d+ of \d+ bytes of samples are there")
        for name in (
            *(
                "a.wav",
                "float.wav",
                "gsm.wav",
                "wavex.wav",
                "rf64.wav",
                "a.w64",
                "a.au",
            ),
            *("a.aiff", "a.caf", "a.sph"),
        )
    ]
    + [("a.flac", "cannot be read as audio to its end .*damaged or cut off")],
)
def test_a_cut_file_is_refused(tmp_path, name, message):
    content = written(tmp_path / f"x{name}", A, **WRITTEN[name])
    (tmp_path / f"x{name}").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=message):
        read_audio(tmp_path / f"x{name}")
    with pytest.raises(UserError, match=message):
        AudioFile(tmp_path / f"x{name}").samples()


@pytest.mark.parametrize("name", ["a.mp3", "vorbis.ogg", "a.opus"])
def test_a_stream_is_played_as_far_as_it_goes_and_told(tmp_path, name):
    long = noise(20, 3)  # many Ogg pages
    content = written(tmp_path / name, long, **WRITTEN[name])
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    seconds, notes = seconds_and_notes(tmp_path / name)
    assert 5 < seconds < 15 and notes.startswith("cut off: ")
    f = soundfile.SoundFile(tmp_path / name)
    n = 0
    while len(block := f.read(4000)):
        n += len(block)
    assert seconds == n / f.samplerate


@pytest.mark.parametrize("name", ["vorbis.ogg", "a.opus"])
def test_an_ogg_without_its_last_page(tmp_path, name):
    content = written(tmp_path / name, A, **WRITTEN[name])
    (tmp_path / name).write_bytes(content[: content.rindex(b"OggS")])
    assert _notes(tmp_path / name) == ["cut off: an Ogg stream without its end"]


def _notes(path):
    with open_audio(path) as f:
        return list(f.notes)


def test_pages_missing_in_the_middle(tmp_path):
    content = written(tmp_path / "a.ogg", noise(20), subtype="VORBIS")
    places = [i for i in range(len(content)) if content[i : i + 4] == b"OggS"]
    assert len(places) > 5
    (tmp_path / "a.ogg").write_bytes(content[: places[3]] + content[places[4] :])
    assert _notes(tmp_path / "a.ogg") == [
        "damaged: pages of the Ogg stream are missing or broken"
    ]


@pytest.mark.parametrize("subtype, channels", [("PCM_16", 1), ("PCM_24", 2)])
@pytest.mark.parametrize("form", ["WAV", "RF64", "W64", "AU", "AIFF"])
def test_less_than_a_sample_missing(tmp_path, subtype, channels, form):
    path = tmp_path / "x"
    content = written(path, noise(1, 1, channels), format=form, subtype=subtype)
    samples, _ = read_audio(path)
    frame = channels * (2 if subtype == "PCM_16" else 3)
    path.write_bytes(content + b"\x07" * (frame - 1))  # of one that is not there
    assert _notes(path) == []
    np.testing.assert_array_equal(read_audio(path)[0], samples)
    # All but a byte of the last sample: the others are there.
    path.write_bytes(content[:-1])
    if form == "WAV":
        np.testing.assert_array_equal(read_audio(path)[0], samples[:-1])
    path.write_bytes(content[:-frame])
    with pytest.raises(UserError, match="cut off"):
        read_audio(path)


def test_a_wav_that_promises_a_byte_more(tmp_path):
    content = bytearray(written(tmp_path / "a.wav", A, subtype="PCM_16"))
    samples, _ = read_audio(tmp_path / "a.wav")
    content[40:44] = struct.pack("<I", 64001)
    (tmp_path / "a.wav").write_bytes(content)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav")[0], samples)


def test_lengths_of_recorders_that_did_not_know(tmp_path):
    content = bytearray(written(tmp_path / "a.wav", A, subtype="PCM_16"))
    for promise in (0xFFFFFFFF, 0x7FFFFFFF):
        content[40:44] = struct.pack("<I", promise)
        (tmp_path / "a.wav").write_bytes(content)
        assert seconds_and_notes(tmp_path / "a.wav") == (2.0, "")
    content[4:8] = content[40:44] = bytes(4)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UserError, match="tells no length, and 64000 bytes follow"):
        read_audio(tmp_path / "a.wav")
    content[40:44] = struct.pack("<I", 20000)
    (tmp_path / "a.wav").write_bytes(content)
    assert seconds_and_notes(tmp_path / "a.wav") == (
        0.625,
        "44000 bytes behind the samples are no sound that its header tells of",
    )


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.w64", "a.aiff"])
def test_something_else_behind_is_told(tmp_path, name):
    content = written(tmp_path / name, A, **WRITTEN[name])
    other = written(tmp_path / "other.ogg", B, subtype="VORBIS")
    (tmp_path / name).write_bytes(content + other)
    seconds, notes = seconds_and_notes(tmp_path / name)
    assert seconds == 2.0
    assert f"{len(other)} bytes" in notes or (name == "a.flac" and "no FLAC" in notes)


@pytest.mark.parametrize("total", [0, 20000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_that_does_not_know_its_length(tmp_path, total, subtype):
    content = written(tmp_path / "a.flac", A, subtype=subtype)
    samples, _ = read_audio(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(with_total(content, total))
    assert seconds_and_notes(tmp_path / "a.flac") == (2.0, "")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac")[0], samples)
    # Half of it, and with another behind.
    (tmp_path / "a.flac").write_bytes(with_total(content, 0)[: len(content) // 2])
    with pytest.raises(UserError, match="damaged or cut off at"):
        read_audio(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(with_total(content, total) * 2)
    assert seconds_and_notes(tmp_path / "a.flac")[0] == 4.0


def test_mp3_files_of_another_encoder(tmp_path):
    """With and without the first frame that tells the length, and with tags."""
    plain = {"write_xing": "0", "id3v2_version": "0"}
    files = {
        name: [
            encoded(tmp_path / f"{i}.mp3", x, codec="libmp3lame", **options)
            for i, x in enumerate((A, B))
        ]
        for name, options in (("told", {}), ("plain", plain))
    }
    path = tmp_path / "x.mp3"

    def seconds(*parts):
        path.write_bytes(b"".join(parts))
        return seconds_and_notes(path)[0]

    told, other = files["told"], files["plain"]
    assert seconds(*told) == 5.0
    assert seconds(told[0], TAG, told[1], TAG) == 5.0
    # Without it nobody knows of the encoder's delay and padding, some 0.1 s.
    for parts in ((told[0], other[1]), (other[0], told[1]), other):
        assert 5.0 <= seconds(*parts) < 5.25
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 64, 0, 1 << 31) + bytes(8)
    assert seconds(told[0], ape + b"\xff\xfb\x90" * 8, TAG) == 2.0
    path.write_bytes(told[0][:-100])
    assert seconds_and_notes(path)[1] == (
        "cut off: an MP3 that ends before its header says"
    )
    path.write_bytes(other[0][:-100])
    assert seconds_and_notes(path)[1] == "cut off: an MP3 that ends within a frame"


@pytest.mark.parametrize(
    "form",
    [{"format": "MP3"}, {"format": "FLAC"}, {"format": "OGG"}, {"format": "WAV"}],
)
@pytest.mark.parametrize("rate, channels", [(44100, 1), (16000, 2)])
def test_parts_that_cannot_be_one_clip(tmp_path, form, rate, channels):
    path = tmp_path / "x"
    parts = written(path, A, **form) + written(
        path, noise(1, 1, channels, rate), rate, **form
    )
    path.write_bytes(parts)
    message = f"16000 Hz, 1 channels and of {rate} Hz, {channels} channels; write each"
    with pytest.raises(UserError, match=message):
        read_audio(path)
