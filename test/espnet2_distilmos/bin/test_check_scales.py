"""check-scales: names at once, labels of sets by file and scale."""

import pytest

from espnet2_distilmos.bin.main import cli


@pytest.fixture
def folders(tmp_path):
    for name, text in {
        "train": "a SIG:1 BAK:2\nb SIG:3\n",
        "valid": "c SIG:2\nd -\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "utt2scores").write_text(text)
    return tmp_path


def check(scales, *folders):
    more = ["--data_dirs", *map(str, folders)] if folders else []
    return cli(["check-scales", "--scales", scales, *more])


def test_what_is_well_is_silent(folders, capsys):
    assert check("SIG BAK") == 0
    assert check("SIG", folders / "train", folders / "valid") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "scales, message",
    [
        ("S-G", "--scales 'S-G': 'S-G' is no name of a scale"),
        ("SIG SIG", "scale SIG stands there twice"),
        ("MOS SIG", "'MOS' is no name of a further scale"),
        (
            "SIG NOPE",
            "train/utt2scores: no clip has a label on NOPE; there are BAK, SIG",
        ),
        ("SIG BAK", "valid/utt2scores: no clip has a label on BAK; there are SIG"),
    ],
)
def test_mistakes_are_one_line(folders, scales, message, capsys):
    assert check(scales, folders / "train", folders / "valid") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_set_without_further_labels(folders, capsys):
    (folders / "valid/utt2scores").unlink()
    assert check("SIG", folders / "train", folders / "valid") == 1
    assert "valid/utt2scores: no such file" in capsys.readouterr().err
