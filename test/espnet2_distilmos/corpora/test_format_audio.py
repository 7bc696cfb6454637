"""Stage 1: audio at 16 kHz mono, clips of bad length left out."""

import logging
import os
import shutil

import numpy as np
import pytest
import soundfile
from made_audio import noise, with_total, written

from espnet2_distilmos.bin.format_audio import main
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_lines, read_words
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


def tone(rate, seconds, hz=440.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


@pytest.fixture
def raw(tmp_path):
    """`a` is fine, `b` has 48 kHz, `c` two channels, `d` is short, `e` long."""
    audio = tmp_path / "audio"
    audio.mkdir()
    silent = np.zeros(16000)
    for utt, samples, rate in (
        ("a", tone(16000, 1), 16000),
        ("b", tone(48000, 1), 48000),
        ("c", np.stack([tone(16000, 1), silent], 1), 16000),
        ("d", tone(16000, 0.05), 16000),
        ("e", tone(8000, 3), 8000),
    ):
        soundfile.write(audio / f"{utt}.wav", samples, rate)
    utts = "abcde"
    DataDir(
        {u: str(audio / f"{u}.wav") for u in utts},
        {u: 1.0 + i for i, u in enumerate(utts)},
        dict(zip(utts, ("s2", "s10", "s2", "S1", "s3"))),
    ).save(tmp_path / "data")
    return tmp_path


def test_all_is_16_khz_mono(raw):
    format_audio(raw / "data", raw / "out")
    data = DataDir.load(raw / "out")
    assert list(data.wavs) == list("abcde")
    assert data.wavs["a"] == str(raw / "audio/a.wav")  # used where it lies
    n_samples = read_floats(raw / "out/utt2num_samples")
    for utt, path in data.wavs.items():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.frames == n_samples[utt]
    assert n_samples == {"a": 16000, "b": 16000, "c": 16000, "d": 800, "e": 48000}
    resampled, _ = soundfile.read(data.wavs["b"])
    np.testing.assert_allclose(resampled[800:-800], tone(16000, 1)[800:-800], atol=1e-3)
    averaged, _ = soundfile.read(data.wavs["c"])
    np.testing.assert_allclose(averaged, tone(16000, 1) / 2, atol=1e-4)
    assert data.mos == {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    assert (raw / "out/dropped.txt").read_text() == ""


def test_systems_get_numbers(raw):
    format_audio(raw / "data", raw / "out", 0.1, None)
    ids = read_words(raw / "out/sys2id")
    assert ids == {"s10": "0", "s2": "1", "s3": "2"}  # d was the only clip of S1
    systems = read_words(raw / "out/utt2sys")
    for utt, number in read_words(raw / "out/utt2sys_id").items():
        assert number == ids[systems[utt]]


def test_dropped_clips_are_listed(raw, caplog):
    with caplog.at_level(logging.INFO):
        format_audio(raw / "data", raw / "out", 0.1, 2.0)
    assert list(DataDir.load(raw / "out").wavs) == ["a", "b", "c"]
    assert (raw / "out/dropped.txt").read_text() == (
        "d 0.050 s is shorter than 0.1 s\ne 3.000 s is longer than 2.0 s\n"
    )
    assert "3 clips, 0.00 h; 2 dropped (listed in" in caplog.text
    with pytest.raises(UserError, match="no clip is left; all 5 are shorter than 10 s"):
        format_audio(raw / "data", raw / "none", 10, None)


def test_a_second_run_does_nothing_until_something_changes(raw):
    def times():
        out = raw / "out"
        return {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}

    format_audio(raw / "data", raw / "out", 0.1, 2.0)
    before = times()
    format_audio(raw / "data", raw / "out", 0.1, 2.0)
    assert times() == before
    format_audio(raw / "data", raw / "out", 0.1, 2.5)
    assert times()[raw / "out/wav.scp"] != before[raw / "out/wav.scp"]
    format_audio(raw / "data", raw / "out", 0.1, 4.0)
    assert "e" in DataDir.load(raw / "out").wavs
    mos = raw / "data/utt2mos"
    mos.write_text(mos.read_text().replace("a 1.0", "a 1.5"))
    format_audio(raw / "data", raw / "out", 0.1, 4.0)
    assert DataDir.load(raw / "out").mos["a"] == 1.5


def test_unreadable_audio_is_named(raw):
    (raw / "audio/c.wav").write_text("RIFF, not really")
    with pytest.raises(UserError, match="^c: .*c.wav: cannot be read as audio"):
        format_audio(raw / "data", raw / "out")
    soundfile.write(raw / "audio/c.wav", np.zeros(0), 16000)
    with pytest.raises(UserError, match="c.wav: holds no samples"):
        format_audio(raw / "data", raw / "out")
    assert not (raw / "out/wav.scp").exists()


def test_only_the_named_sets_are_thinned(raw):
    DataDir.load(raw / "data").save(raw / "test")
    sets = [str(raw / "data"), str(raw / "test")]
    main(
        ["--data_dirs", *sets, "--output_dir", str(raw / "out")]
        + ["--drop_sets", "data", "--min_seconds", "0.1", "--max_seconds", "2"]
    )
    assert len(DataDir.load(raw / "out/data").wavs) == 3
    assert len(DataDir.load(raw / "out/test").wavs) == 5


def test_content_decides_and_dates_do_not(raw):
    """A copy with other dates is the same; other samples of the same date are not."""
    out, audio = raw / "out", raw / "audio/b.wav"
    format_audio(raw / "data", out)

    def remade():
        before = (out / "wav.scp").stat().st_ino
        format_audio(raw / "data", out)
        return (out / "wav.scp").stat().st_ino != before

    assert not remade()
    shutil.copy(audio, raw / "copy.wav")
    os.replace(raw / "copy.wav", audio)
    os.utime(audio, (1, 1))
    assert not remade() and not remade()
    (out / ".audio").unlink()  # as after a copy that leaves hidden files behind
    assert not remade() and (out / ".audio").exists()
    stat = audio.stat()
    soundfile.write(audio, tone(48000, 1, 880.0), 48000)
    assert audio.stat().st_size == stat.st_size
    os.utime(audio, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert remade() and not remade()


def test_labels_of_scales_go_along_and_odd_ones_are_told(raw, caplog):
    data = DataDir.load(raw / "data")
    data.scores = {"a": {"SIG": 2.0, "BAK": 80.0}, "b": {"SIG": 0.5}, "e": {}}
    data.scores = {u: data.scores.get(u, {}) for u in data.wavs}
    data.save(raw / "data")
    info = {"corpus": "mine", "scale": [1, 5], "scales": {"BAK": {"scale": [0, 100]}}}
    Labels.from_list([info], "test").write(raw / "data/labels.yaml")
    format_audio(raw / "data", raw / "out", min_seconds=0.1)
    kept = {u: s for u, s in data.scores.items() if u != "d"}
    assert DataDir.load(raw / "out").scores == kept
    assert caplog.text.count("labels are outside") == 1
    assert "utt2scores: 1 of 2 SIG labels are outside 1 to 5, e.g. b 0.5" in caplog.text
    # Other labels of scales: the set is made again.
    data.scores["e"] = {"SIG": 4.0}
    data.save(raw / "data")
    format_audio(raw / "data", raw / "out", min_seconds=0.1)
    assert DataDir.load(raw / "out").scores["e"] == {"SIG": 4.0}


def test_the_recorded_scale_decides_which_label_is_odd(raw, caplog):
    """0 to 100 holds them all; 1 to 4 does not hold the 5."""
    for scale, expected in (((0, 100), 0), ((1, 4), 1)):
        caplog.clear()
        labels = Labels((LabelInfo("mine", "human", "MOS", scale=scale),))
        labels.write(raw / "data/labels.yaml")
        format_audio(raw / "data", raw / f"out{scale[0]}")
        assert Labels.beside(raw / f"out{scale[0]}") == labels
        assert (
            caplog.text.count("1 of 5 labels are outside 1 to 4, e.g. e 5") == expected
        )
        assert caplog.text.count("labels are outside") == expected


@pytest.mark.parametrize("form", ["OGG", "FLAC", "MP3", "WAV"])
def test_training_hears_all_of_a_file(raw, form):
    """ESPnet reads with libsndfile alone: what that would leave out is made anew."""
    path = raw / "audio/a.wav"
    parts = written(path, noise(2, 1), format=form)
    path.write_bytes(parts + written(path, noise(3, 2), format=form))
    unknown = written(raw / "audio/d.wav", noise(2, 3), format="FLAC")
    (raw / "audio/d.wav").write_bytes(with_total(unknown, 0))
    format_audio(raw / "data", raw / "out")
    data = DataDir.load(raw / "out")
    n_samples = read_floats(raw / "out/utt2num_samples")
    for utt, seconds in (("a", 5), ("d", 2)):
        samples, rate = soundfile.read(data.wavs[utt])
        assert data.wavs[utt].startswith(str(raw / "out/audio"))
        assert (len(samples), rate) == (seconds * 16000, 16000)
        assert n_samples[utt] == len(samples)
        assert np.sqrt(np.mean(samples[-8000:] ** 2)) > 0.05


def test_odd_clips_are_kept_listed_and_counted(raw, caplog):
    antiphase = noise(1, 1) * np.float32([1, -1])
    soundfile.write(raw / "audio/b.wav", antiphase, 48000)
    soundfile.write(raw / "audio/e.wav", tone(48000, 1, 12000.0), 48000)
    content = written(raw / "audio/a.wav", noise(4), format="MP3")
    (raw / "audio/a.wav").write_bytes(content[: len(content) // 2])
    format_audio(raw / "data", raw / "out")
    listed = read_lines(raw / "out/odd_audio.txt", str)
    assert listed.pop("a").startswith("cut off: 1.9")
    assert listed == {
        "b": "silence: the channels cancel each other when averaged",
        "c": "1 of 2 channels are silent",
        "e": "silence at 16 kHz: all of its sound is above 8 kHz",
    }
    assert "4 odd clips are kept, e.g. a: cut off" in caplog.text
    format_audio(raw / "data", raw / "other", 1.5, None)  # b, c and e are dropped
    assert list(read_lines(raw / "other/odd_audio.txt", str)) == ["a"]
