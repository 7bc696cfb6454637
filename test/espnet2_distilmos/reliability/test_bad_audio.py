"""Audio of every kind of badness: through the scorer in one go, and through stage 1."""

import csv
import os
import shutil

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.utils.datadir import DataDir, read_lines

RATE = 16000


def noise(n=8000, channels=1, seed=0):
    x = 0.1 * np.random.default_rng(seed).standard_normal((n, channels))
    return x.astype(np.float32)


def write(path, samples, rate=RATE, **options):
    options = {"format": path.suffix[1:], **options}
    soundfile.write(os.fsencode(path), samples, rate, **options)


def with_samples(value):
    def make(path):
        x = noise()
        x[100] = value
        write(path, x, subtype="FLOAT")

    return make


def cut(name, share):
    """The first `share` of a file of that format."""

    def make(path):
        whole = path.with_name(f"whole_{name}")
        write(whole, noise())
        path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
        whole.unlink()

    return make


def mp3_named_wav(path):
    write(path, noise(), format="MP3")


def changed(make):
    """A WAV whose bytes are another's, as `make` changes them."""

    def change(path):
        write(path, noise())
        path.write_bytes(make(bytearray(path.read_bytes())))

    return change


def of_rate(rate):
    return changed(lambda b: b[:24] + rate.to_bytes(4, "little") + b[28:])


def apple_double(path):
    path.write_bytes(b"\0\5\x16\7" + bytes(200))


def joined(*rates, **options):
    """Files one behind the other, of these sampling rates."""

    def make(path):
        parts = b""
        for i, rate in enumerate(rates):
            write(path, noise(8000, seed=i), rate, **options)
            parts += path.read_bytes()
        path.write_bytes(parts)

    return make


# What cannot be scored: name of the file, how it is made, what is said of it by the
# scorer, and by stage 1 if that is something else.
BAD = [
    ("empty.wav", lambda p: p.write_bytes(b""), "cannot be read as audio", None),
    ("header only.wav", lambda p: write(p, noise(0)), "holds no samples", None),
    ("cut off.wav", cut("x.wav", 0.5), "cut off, 79", None),
    ("cut off.aiff", cut("x.aiff", 0.5), "cut off, 79", None),
    ("cut off.flac", cut("x.flac", 0.5), "cannot be read as audio", None),
    ("cut off.ogg", cut("x.ogg", 0.9), "holds no samples", None),
    ("cut off.w64", cut("x.w64", 0.5), "cut off, 79", None),
    ("cut off.au", cut("x.au", 0.5), "cut off, 79", None),
    ("cut off.caf", cut("x.caf", 0.5), "cut off, 59", None),
    ("1 Hz.wav", of_rate(1), "a sampling rate of 1 Hz; 4000 to 768000", None),
    ("2 GHz.wav", of_rate(2**31 - 1), "a sampling rate of 2147483647 Hz", None),
    ("65 channels.wav", lambda p: write(p, noise(channels=65)), "65 channels", None),
    ("apple double.wav", apple_double, "a file that macOS puts beside", None),
    ("two rates.ogg", joined(16000, 8000), "write each to a file of its own", None),
    ("two rates.mp3", joined(16000, 44100), "write each to a file of its own", None),
    ("half a header.wav", cut("x.wav", 0.001), "cannot be read as audio", None),
    ("text.wav", lambda p: p.write_text("RIFF, not really"), "cannot be read", None),
    ("one sample.wav", lambda p: write(p, noise(1)), "too short", "accepted"),
    (
        "only nan.wav",
        lambda p: write(p, noise() * np.nan, subtype="FLOAT"),
        "NaN",
        None,
    ),
    ("absent.wav", lambda p: None, "no such file", None),
    ("folder.wav", lambda p: p.mkdir(), "not a file", None),
    ("endless loop.wav", lambda p: p.symlink_to(p), "too many levels", None),
    ("pipe.wav", lambda p: os.mkfifo(p), "not a file", None),
    ("nul\0.wav", lambda p: None, "NUL", None),
]
# What is scored, with a word about it: warning of the table, or line of the summary.
ODD = [
    ("nan.wav", with_samples(np.nan), "1 NaN or Inf samples taken as 0", "NaN or Inf"),
    ("inf.wav", with_samples(np.inf), "1 NaN or Inf samples taken as 0", "NaN or Inf"),
    ("silence.wav", lambda p: write(p, 0 * noise()), "silence", None),
    ("loud.wav", lambda p: write(p, 9 * noise(), subtype="FLOAT"), "clipped", None),
    ("5.1.wav", lambda p: write(p, noise(channels=6)), "several channels", None),
    (
        "antiphase.wav",
        lambda p: write(p, noise() * np.float32([1, -1])),
        "silence: the channels cancel each other when averaged",
        None,
    ),
    (
        "one side.wav",
        lambda p: write(p, noise() * np.float32([1, 0])),
        "1 of 2 channels are silent",
        None,
    ),
    ("joined.ogg", joined(16000, 16000), "2 sounds joined in one file", None),
    ("joined.flac", joined(16000, 16000), "2 sounds joined in one file", None),
    ("joined.mp3", joined(16000, 16000), "2 sounds joined in one file", None),
    ("joined.wav", joined(16000, 16000), "2 sounds joined in one file", None),
    ("8k.wav", lambda p: write(p, noise(), 8000), "1 of 8000 Hz", None),
    ("192k.wav", lambda p: write(p, noise(96000), 192000), "1 of 192000 Hz", None),
    ("24 bit.wav", lambda p: write(p, noise(), subtype="PCM_24"), "", None),
    ("double.wav", lambda p: write(p, noise(), subtype="DOUBLE"), "", None),
    ("mp3.wav", mp3_named_wav, "", None),
    ("Käse 語 'x\".wav", lambda p: write(p, noise()), "", None),
]
CASES = BAD + ODD


def utt_of(name):
    return name.replace(" ", "_").replace("\0", "")


@pytest.fixture(scope="module")
def scored(tmp_path_factory, tiny_model):
    """All of it and two good clips, scored by one command.

    Attributes: `folder`, `code`, `rows` (ID -> row of the table), `text` (the summary).
    """
    folder = tmp_path_factory.mktemp("audio")
    for name, make, *_ in CASES:
        if "\0" not in name:
            make(folder / name)
    write(folder / "good 1.wav", noise(seed=1))
    write(folder / "good 2.flac", noise(9000, seed=2))
    names = [name for name, *_ in CASES] + ["good 1.wav", "good 2.flac"]
    lines = sorted((utt_of(n), str(folder / n)) for n in names)
    lines.sort(key=lambda line: line[0].encode())
    (folder / "wav.scp").write_text("".join(f"{u} {p}\n" for u, p in lines))
    out = folder / "table.csv"
    with pytest.MonkeyPatch.context() as patch:
        import io
        import sys

        stdout, stderr = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        code = cli(
            ["score", str(folder / "wav.scp"), "--model", str(tiny_model)]
            + ["--output", str(out), "--device", "cpu"]
        )
    scored.folder, scored.code = folder, code
    scored.text, scored.err = stdout.getvalue(), stderr.getvalue()
    with open(out, encoding="utf-8", newline="") as f:
        scored.rows = {row["id"]: row for row in csv.DictReader(f)}
    return scored


def test_each_bad_file_is_counted_and_nothing_else_is_affected(scored, engine):
    assert scored.code == 1
    total = len(CASES) + 2
    assert f"error: {len(BAD)} of {total} files could not be scored" in scored.err
    assert "Traceback" not in scored.text + scored.err
    assert len(scored.rows) == total
    for name in ("good 1.wav", "good 2.flac"):
        alone = engine(soundfile.read(scored.folder / name, dtype="float32")[0])["mos"]
        row = scored.rows[utt_of(name)]
        assert float(row["mos"]) == pytest.approx(alone, abs=1e-4)
        assert row["error"] == row["warnings"] == ""


@pytest.mark.parametrize("name, message", [(c[0], c[2]) for c in BAD])
def test_a_bad_file_is_listed_with_its_fault(scored, name, message):
    row = scored.rows[utt_of(name)]
    assert row["mos"] == ""
    assert message in row["error"]
    assert name.replace("\0", "") in row["error"].replace("\0", "").replace("\\x00", "")
    listed = [x for x in scored.text.splitlines() if x.startswith("not scored: ")]
    assert sum(message in x for x in listed) >= 1
    assert len(listed) == len(BAD)


@pytest.mark.parametrize("name, message", [(c[0], c[2]) for c in ODD])
def test_an_odd_file_is_scored_with_a_word_about_it(scored, name, message):
    row = scored.rows[utt_of(name)]
    assert 0 < len(row["mos"]) and row["error"] == ""
    assert message in row["warnings"] + scored.text


def _told(message):
    """Whether stage 1 lists it as well: the scorer's summary tells more."""
    return message.startswith(("silence", "clipped", "2 sounds", "1 of 2 channels"))


@pytest.mark.parametrize("name, make, message, at_stage_1", CASES)
def test_stage_1_refuses_by_name_or_formats(
    refused, tmp_path, name, make, message, at_stage_1
):
    """Refused with ID and path; the set that was there before stays as it was."""
    good, path = tmp_path / "good.wav", tmp_path / name
    write(good, noise())
    if "\0" not in name:
        make(path)
    fine = at_stage_1 == "accepted" or (name in [c[0] for c in ODD] and not at_stage_1)
    data, out = tmp_path / "data/set", tmp_path / "dump"
    command = ["format-audio", "--data_dirs", data, "--output_dir", out]
    DataDir({"a": str(good)}, {"a": 3.0}).save(data)
    assert cli([str(x) for x in command]) == 0
    DataDir({"a": str(good), "b": str(path)}, {"a": 3.0, "b": 2.0}).save(data)
    if not fine:
        # The stamp of the older version goes, since its input has changed.
        (out / "set/format.yaml").unlink()
        refused(command, "error: b: ", at_stage_1 or message)
        return
    assert cli([str(x) for x in command]) == 0
    samples = read_lines(out / "set/utt2num_samples", int)["b"]
    info = soundfile.info(read_lines(out / "set/wav.scp", str)["b"])
    assert (info.samplerate, info.channels, info.frames) == (RATE, 1, samples)
    if name != "one sample.wav":
        assert samples in (8000, 16000) or name == "mp3.wav"
        assert (samples == 16000) == (name in ("8k.wav",) or "joined" in name)
    odd = read_lines(out / "set/odd_audio.txt", str) if _told(message) else {}
    assert message in odd.get("b", "") or not _told(message)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_without_permission(refused, tmp_path, tiny_model):
    write(tmp_path / "x.wav", noise())
    (tmp_path / "x.wav").chmod(0)
    refused(["score", tmp_path / "x.wav", "--model", tiny_model], "1 of 1 files")


def test_names_that_are_no_utf8_are_scored_and_shown(tmp_path, tiny_model, capsys):
    wav = tmp_path / os.fsdecode(b"caf\xe9.wav")
    write(wav, noise())
    out = tmp_path / "out.csv"
    command = ["score", str(wav), "--model", str(tiny_model), "--device", "cpu"]
    assert cli([*command, "--output", str(out)]) == 0
    assert r"caf\xe9.wav" in out.read_text(encoding="utf-8")
    shutil.copy(wav, tmp_path / "new\nline\x1b[2J.wav")
    (tmp_path / "new\nline\x1b[2J.wav").write_bytes(b"")
    assert cli(["score", str(tmp_path), *command[2:]]) == 1
    captured = capsys.readouterr()
    (line,) = [x for x in captured.err.splitlines() if x.startswith("not scored: ")]
    assert r"new\nline\x1b[2J.wav" in line and line.isprintable()
