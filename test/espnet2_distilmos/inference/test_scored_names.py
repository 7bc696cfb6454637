"""Names of files that a terminal or a table would make something of."""

import subprocess
import sys
from pathlib import Path

import pytest

from espnet2_distilmos.bin.main import cli


@pytest.fixture
def clips(tools, tmp_path):
    """A folder with hostile names."""
    folder = tmp_path / "w"
    for name in ("\x1b]0;owned\x07.wav", "a\nerror: b.wav", "naïve 日本.wav"):
        tools.wav(folder / name, 0.5)
    return folder


SCORE = "import sys; from espnet2_distilmos.bin.main import cli; sys.exit(cli())"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_names_on_stdout(clips, tiny_model, encoding, form):
    import csv
    import json
    import os

    done = subprocess.run(
        [sys.executable, "-c", SCORE, "score", str(clips), "--format", form]
        + ["--output", "-", "--model", str(tiny_model)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0 and not Path("-").exists()
    for text in (done.stdout.decode(encoding), done.stderr.decode(encoding)):
        assert all(c.isprintable() or c == "\n" for c in text)
        assert not any(line.startswith("error") for line in text.splitlines())
    lines = done.stdout.decode(encoding).splitlines()
    if form == "jsonl":
        files = [json.loads(line)["file"] for line in lines]
        assert files == sorted(str(f) for f in clips.iterdir())
        return
    files = [row["file"] for row in csv.DictReader(lines)]
    assert [Path(f).name.encode(encoding) for f in files[:2]] == [
        rb"\x1b]0;owned\x07.wav",
        rb"a\nerror: b.wav",
    ]
    shown = {"utf-8": "naïve 日本.wav", "latin-1": r"naïve \u65e5\u672c.wav"}
    assert Path(files[2]).name == shown.get(encoding, r"na\xefve \u65e5\u672c.wav")


def test_a_file_keeps_names(clips, tiny_model, capsys, tmp_path_factory):
    import csv

    out = tmp_path_factory.mktemp("scores") / "out.csv"  # not among the clips
    command = ["score", str(clips), "--model", str(tiny_model), "--output", str(out)]
    assert cli(command) == 0
    with out.open(encoding="utf-8", newline="") as f:
        files = [row["file"] for row in csv.DictReader(f)]
    assert files == sorted(str(f) for f in clips.iterdir())
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
