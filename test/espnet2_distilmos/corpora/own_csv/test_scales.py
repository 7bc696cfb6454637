"""Columns of a CSV of one's own that are further scales."""

import pytest
from own_csv import write

from espnet2_distilmos.bin.prepare_csv import main
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir

NAMES = ("train", "valid", "test")


def table(folder, header="wav,mos,Noisiness,colour", more=None):
    """Noisiness of all, colour of every second clip; `more`: line -> its text."""
    lines = [
        f"wavs/{i}.wav,{1 + i % 9 / 2},{5 - i % 9 / 2},{i % 5 + 1 if i % 2 else ''}"
        for i in range(30)
    ]
    for number, text in (more or {}).items():
        lines[number - 2] = text
    return write(folder, "\n".join([header, *lines]) + "\n")


def prepare(folder, path, *more):
    return run(main, ["--csv", str(path), "--data_dir", str(folder / "data"), *more])


def scores_of(folder):
    sets = [DataDir.load(folder / "data" / name) for name in NAMES]
    return {utt: s for data in sets for utt, s in (data.scores or {}).items()}


def test_columns_become_scales(folder):
    path = table(folder)
    assert prepare(folder, path, "--scales", "noisiness colour") == 0
    scores = scores_of(folder)
    assert len(scores) == 30
    assert scores["wavs_0"] == {"noisiness": 5.0}
    assert scores["wavs_3"] == {"noisiness": 3.5, "colour": 4.0}
    report = (folder / "data/csv_report.txt").read_text()
    assert "noisiness: a further scale, 30 clips have a label." in report
    assert "colour: a further scale, 15 clips have a label." in report
    assert "not used" not in report
    # Asked for no more: made again, and nothing of it is left.
    assert prepare(folder, path) == 0
    assert not list((folder / "data").glob("*/utt2scores"))
    report = (folder / "data/csv_report.txt").read_text()
    assert "Columns that were not used: Noisiness, colour." in report


@pytest.mark.parametrize(
    "scales, line, told",
    [
        ("noisiness", "3,bad,", "line 7: noisiness: 'bad' is not a number"),
        (
            "noisiness",
            "3,7,",
            "line 7: noisiness: score 7 is outside the scale",
        ),
        (
            "noise",
            "3,4,",
            "--scales noise: no such column in: wav, mos, Nois",
        ),
        ("mos", "3,4,", "--scales: 'mos' is no name of a further scale"),
        ("wav", "3,4,", "--scales wav: this column is something else"),
        (
            "colour Colour",
            "3,4,",
            "--scales: scale Colour stands there twice",
        ),
    ],
)
def test_what_is_wrong_is_one_line(folder, capsys, scales, line, told):
    path = table(folder, more={7: f"wavs/5.wav,{line}"})
    assert prepare(folder, path, "--scales", scales) == 1
    (error,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert told in error


def test_bad_lines_can_be_left_out(folder):
    path = table(folder, more={7: "wavs/5.wav,3,bad,"})
    assert prepare(folder, path, "--scales", "noisiness", "--skip_bad", "true") == 0
    assert "wavs_5" not in scores_of(folder) and len(scores_of(folder)) == 29
