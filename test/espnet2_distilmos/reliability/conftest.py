"""What every case of bad input has to keep."""

import hashlib

import pytest

from espnet2_distilmos.bin.main import cli

# Locks, and the lists of what was refused: the only files that a refusal may leave.
LISTS = {".lock", "csv_problems.txt", "skipped.txt"}


def snapshot(folder):
    """Path -> hash of the files below a folder, but for LISTS."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in LISTS
    }


@pytest.fixture
def refused(capsys, tmp_path):
    """Function: run a command in this process that must refuse its input.

    Checks: exit code 1 (2 for a mistake in the options), one line of error with all
    `words` in it and no control characters, no traceback, and not a file more, less or
    other below tmp_path than before. Returns the line.
    """

    def run(command, *words):
        before = snapshot(tmp_path)
        capsys.readouterr()
        try:
            code = cli([str(x) for x in command])
        except SystemExit as e:  # argparse
            code = e.code
            assert code == 2
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert code in (1, 2), text
        lines = [x for x in captured.err.splitlines() if "error: " in x[:60]]
        assert len(lines) == 1, text
        assert "Traceback" not in text
        assert lines[0].isprintable()
        for word in words:
            assert str(word) in lines[0], lines[0]
        assert snapshot(tmp_path) == before
        return lines[0]

    return run


@pytest.fixture
def no_harm(tmp_path, monkeypatch):
    """The test in a folder of its own, in which no code of any input has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    yield
    assert not list(tmp_path.rglob("harm"))
