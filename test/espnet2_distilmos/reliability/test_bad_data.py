"""Data directories, score files and CSVs with every fault that hands and editors make.

A case changes good files into bad ones; the command has to name file and line (or
clip) and what to do, and to leave no file behind.
"""

import json

import numpy as np
import pytest
import soundfile

from espnet2_distilmos.bin.main import cli

N = 12


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("wav") / "good one.wav"
    x = 0.1 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(path, x, 16000)
    return path


@pytest.fixture
def folder(tmp_path, wav):
    """A good data directory, `in`, and a good CSV, `in.csv`."""
    files = {
        "wav.scp": "".join(f"u{i:02d} {wav}\n" for i in range(N)),
        "utt2mos": "".join(f"u{i:02d} {1 + i / 3:.2f}\n" for i in range(N)),
        "utt2sys": "".join(f"u{i:02d} s{i % 10}\n" for i in range(N)),
        "hyp": "".join(f"u{i:02d} {4 - i / 4:.2f}\n" for i in range(N)),
    }
    (tmp_path / "in").mkdir()
    for name, text in files.items():
        (tmp_path / "in" / name).write_text(text)
    lines = ["wav,mos,system"]
    for i in range(N):
        (tmp_path / f"{i}.wav").write_bytes(wav.read_bytes())
        lines.append(f"{i}.wav,{1 + i / 3:.2f},s{i % 3}")
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def commands(folder):
    data, csv = folder / "in", folder / "in.csv"
    score = ["score-mos", "--ref_utt2mos", data / "utt2mos"]
    score += ["--hyp_utt2mos", data / "hyp", "--utt2sys", data / "utt2sys"]
    return {
        "format": ["format-audio", "--data_dirs", data, "--output_dir", folder / "out"],
        "score": [*score, "--output", folder / "out/scores.json"],
        "csv": ["prepare-csv", "--csv", csv, "--data_dir", folder / "out"],
    }


def replace(old, new):
    """What a case does to the bytes of a file."""
    return lambda content: content.replace(old, new)


def lines_but(number, change):
    def edit(content):
        lines = content.splitlines(keepends=True)
        lines[number : number + 1] = change(lines[number])
        return b"".join(lines)

    return edit


U3 = b"u03 2.00\n"
# Command, file, how it is spoilt, and what the one line must say.
TABLE = {
    "unsorted": ("format", "wav.scp", lines_but(0, lambda x: []), ("u00",)),
    "out of order": (
        "format",
        "utt2mos",
        lambda c: c + b"a 3\n",
        ("utt2mos:13", "ID a out of order", "LC_ALL=C"),
    ),
    "duplicate": (
        "format",
        "utt2mos",
        lines_but(3, lambda x: [x, x]),
        ("utt2mos:5", "duplicate ID u03"),
    ),
    "no label for a clip": (
        "format",
        "utt2mos",
        replace(U3, b""),
        ("1 ID ", "wav.scp", "utt2mos", "u03"),
    ),
    "no clip for a label": (
        "format",
        "utt2sys",
        lambda c: c + b"u99 s1\n",
        ("1 ID ", "utt2sys", "u99"),
    ),
    "CRLF": ("format", "utt2sys", replace(b"\n", b"\r\n"), ("utt2sys:1", "sed")),
    "empty line": ("format", "utt2mos", replace(U3, b"\n"), ("utt2mos:4", "expected")),
    "BOM": (
        "format",
        "utt2mos",
        lambda c: b"\xef\xbb\xbf" + c,
        ("utt2mos:1", "byte order mark", "without BOM"),
    ),
    "MOS n/a": ("format", "utt2mos", replace(b"2.00", b"n/a"), ("u03", "'n/a'")),
    "MOS 3,5": ("format", "utt2mos", replace(b"2.00", b"3,5"), ("u03", "as in 3.25")),
    "MOS 3_5": ("format", "utt2mos", replace(b"2.00", b"3_5"), ("u03", "as in 3.25")),
    "MOS NaN": ("format", "utt2mos", replace(b"2.00", b"NaN"), ("u03", "not a finite")),
    "MOS inf": ("score", "hyp", lambda c: b"u00 inf\n" + c[9:], ("hyp:1", "finite")),
    "no value": ("format", "utt2mos", replace(b"u03 2.00", b"u03"), ("utt2mos:4",)),
    "leading blank": ("format", "utt2mos", replace(b"u03", b" u03"), ("utt2mos:4",)),
    "two words": ("format", "utt2sys", replace(b"s3", b"s 3"), ("u03", "one word")),
    "Latin-1": (
        "format",
        "utt2sys",
        replace(b"s3", b"s\xe9"),
        ("utt2sys", "not UTF-8 text"),
    ),
    "a pipe": (
        "format",
        "wav.scp",
        replace(b"\nu03", b"\nu02b touch harm |\nu03"),
        ("wav.scp:4", "pipes are not supported", "write the audio to a file"),
    ),
    "NUL": ("format", "wav.scp", replace(b"u03 ", b"u03 \0"), ("u03", "NUL")),
    "a terminal's command": (
        "format",
        "utt2mos",
        replace(b"2.00", b"\x1b]0;x\x07"),
        ("u03", "not a number"),
    ),
    "an empty list": ("format", "wav.scp", lambda c: b"", ("wav.scp", "is empty")),
    "no list": ("format", "wav.scp", None, ("wav.scp", "cannot be read")),
    "a folder as list": ("format", "wav.scp", "folder", ("wav.scp", "Is a directory")),
    "another set's scores": (
        "score",
        "hyp",
        replace(b"u", b"v"),
        ("12 IDs", "hyp", "u00"),
    ),
    "no scores": ("score", "hyp", lambda c: b"", ("hyp", "is empty")),
    "huge scores": ("score", "hyp", replace(b"4.00", b"1e300"), ("u00", "1e+300")),
    "a ratings' file": (
        "format",
        "utt2ratings",
        lambda c: b"u00 L1:four\n",
        ("utt2ratings:1", "as in 3.25"),
    ),
    "CSV without mos": ("csv", "", replace(b"mos", b"score"), ("in.csv", "mos not")),
    "CSV n/a": ("csv", "", replace(b"2.00", b"n/a"), ("line 5", "--skip_bad")),
    "CSV 3,5": ("csv", "", replace(b"2.00", b"3,5"), ("line 5", "3,5 is written 3.5")),
    "CSV 0": ("csv", "", replace(b"2.00", b"0"), ("line 5", "outside the scale")),
    "CSV 6": ("csv", "", replace(b"2.00", b"6"), ("line 5", "--scale")),
    "CSV NaN": ("csv", "", replace(b"2.00", b"nan"), ("line 5", "not a finite")),
    "CSV open quote": ("csv", "", replace(b"3.wav", b'"3.wav'), ("in.csv:", "quote")),
    "CSV Latin-1": ("csv", "", replace(b"s1", b"\xe9"), ("in.csv:3", "CSV UTF-8")),
    "CSV missing file": ("csv", "", replace(b"3.wav", b"x.wav"), ("line 5", "x.wav")),
    "CSV clip twice": ("csv", "", replace(b"3.wav", b"./2.wav"), ("line 5", "line 4")),
    "CSV NUL": ("csv", "", replace(b"3.wav", b"3\0.wav"), ("line 5", "NUL")),
    "CSV header only": ("csv", "", lambda c: c[:15], ("in.csv", "no clips")),
    "CSV empty": ("csv", "", lambda c: b"", ("in.csv", "must name the columns")),
    "CSV one score": (
        "csv",
        "",
        lambda c: b"wav,mos\n" + b"".join(b"%d.wav,3\n" % i for i in range(N)),
        ("all scores are 3", "nothing to learn"),
    ),
    "CSV too few": (
        "csv",
        "",
        lambda c: c[: c.index(b"4.wav")],
        ("too few", "8 are the least"),
    ),
    "CSV systems that merge": (
        "csv",
        "",
        lambda c: c.replace(b"s1", b"s?2").replace(b"s2", b"s/2"),
        ("would both be written", "rename"),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_is_refused_by_file_and_line(folder, refused, name):
    command, file, spoil, words = TABLE[name]
    path = folder / "in" / file if file else folder / "in.csv"
    content = path.read_bytes() if path.exists() else b""
    if spoil is None:
        path.unlink()
    elif spoil == "folder":
        path.unlink()
        path.mkdir()
    else:
        spoilt = spoil(content)
        assert spoilt != content
        path.write_bytes(spoilt)
    refused(commands(folder)[command], *words)


@pytest.mark.parametrize("command", ["format", "score", "csv"])
def test_an_output_that_is_in_the_way(folder, refused, command):
    (folder / "out").write_text("a file, not a folder")
    refused(commands(folder)[command], folder / "out")


@pytest.mark.parametrize("value", ["0", "6", "-1"])
def test_labels_off_the_scale_are_counted(folder, caplog, value):
    """A data directory does not say its scale, so they are kept and told."""
    path = folder / "in/utt2mos"
    path.write_bytes(path.read_bytes().replace(b"2.00", value.encode()))
    with caplog.at_level("WARNING"):
        assert cli([str(x) for x in commands(folder)["format"]]) == 0
    assert f"1 of 12 labels are outside 1 to 5, e.g. u03 {value}" in caplog.text


def test_tabs_are_blanks(folder):
    for name in ("utt2mos", "utt2sys"):
        path = folder / "in" / name
        path.write_bytes(path.read_bytes().replace(b" ", b"\t"))
    assert cli([str(x) for x in commands(folder)["format"]]) == 0
    first = (folder / "out/in/utt2mos").read_text().splitlines()[0]
    assert first == "u00 1.000000"


@pytest.mark.parametrize("constant", ["hyp", "utt2mos"])
def test_correlations_of_constants_are_undefined_not_nan(folder, constant, capsys):
    path = folder / "in" / constant
    path.write_text("".join(f"u{i:02d} 3.3\n" for i in range(N)))
    # Every system but two has one clip only.
    assert cli([str(x) for x in commands(folder)["score"]]) == 0
    scores = json.loads((folder / "out/scores.json").read_text())
    assert scores["utt"]["srcc"] == {"value": None, "ci95": None}
    assert scores["utt"]["mse"]["value"] > 0
    assert scores["within_sys"]["lcc"]["value"] is None
    assert "nan" not in capsys.readouterr().out.lower()


def test_bad_lines_that_are_skipped_are_listed_and_counted(folder, caplog):
    path = folder / "in.csv"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"2.00", b"n/a").replace(b"5.wav", b"gone.wav"))
    command = [str(x) for x in commands(folder)["csv"]]
    with caplog.at_level("INFO"):
        assert cli([*command, "--skip_bad", "true"]) == 0
    listed = (folder / "out/csv_problems.txt").read_text().splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in listed] == ["5", "7"]
    assert "2 lines were left out (csv_problems.txt)" in caplog.text
    kept = sum(
        len((folder / f"out/{dset}/wav.scp").read_text().splitlines())
        for dset in ("train", "valid", "test")
    )
    assert kept == N - 2


def test_ids_that_lead_elsewhere_stay_in_the_folder(folder, wav):
    """One file an ID, also where `/` and `_` could be mixed up."""
    ids = ["..", "../../x", "/x", "a/b", "a_b"]
    x = soundfile.read(wav)[0]
    for i in range(len(ids)):
        soundfile.write(folder / f"r{i}.wav", x * (i + 1) / 9, 8000)
    scp = "".join(f"{u} {folder}/r{i}.wav\n" for i, u in enumerate(sorted(ids)))
    for name in ("utt2mos", "utt2sys"):
        (folder / "in" / name).unlink()
    (folder / "in/wav.scp").write_text(scp)
    before = {p for p in folder.rglob("*")}
    assert cli([str(x) for x in commands(folder)["format"]]) == 0
    new = {p for p in folder.rglob("*")} - before
    assert all((folder / "out") in (p, *p.parents) for p in new)
    made = (folder / "out/in/wav.scp").read_text().splitlines()
    peaks = [np.abs(soundfile.read(line.split()[1])[0]).max() for line in made]
    assert peaks == sorted(peaks) and len(set(peaks)) == len(ids)
