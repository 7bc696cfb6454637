"""What documents, messages and help texts say of the project, in every file."""

import re
import subprocess
from pathlib import Path

import pytest

from espnet2_distilmos.utils.install import install_line

REPO = Path(__file__).parents[1]
SUFFIXES = {".md", ".py", ".sh", ".yaml", ".toml", ".txt", ".cff"}


def texts():
    """Path and text of every file that people read, or that writes what they read."""
    listed = subprocess.run(
        ["git", "-C", str(REPO), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        paths = [REPO / name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive
        paths = [p for p in REPO.rglob("*") if ".venv" not in p.parts]
    found = {
        p: p.read_text(encoding="utf-8")
        for p in paths
        if p.suffix in SUFFIXES and p.is_file() and not p.is_symlink()
    }
    del found[Path(__file__)]
    assert len(found) > 100
    return found


def test_every_install_line_can_be_followed():
    """The package is on no index: `pip install espnet2-distilmos` finds nothing."""
    by_name = re.compile(
        r"pip install[^\n]{0,40}espnet2-distilmos(?!(\[[\w,]+\])? @ git\+)"
    )
    wrong = [
        f"{path.relative_to(REPO)}: {match.group()}"
        for path, text in texts().items()
        for match in by_name.finditer(text)
    ]
    assert not wrong


@pytest.mark.parametrize("extra", ["", "train"])
def test_the_install_line_is_what_pip_takes(extra):
    from packaging.requirements import Requirement

    line = install_line(extra)
    assert line.startswith('pip install "') and line.endswith('"')
    wanted = Requirement(line.split('"')[1])
    assert wanted.name == "espnet2-distilmos" and wanted.url == "git+REPOSITORY"
    assert wanted.extras == ({extra} if extra else set())
