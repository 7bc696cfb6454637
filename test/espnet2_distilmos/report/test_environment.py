"""What RESULTS.md says of the machine and of the repository."""

import subprocess

import pytest

from espnet2_distilmos.report import environment
from espnet2_distilmos.report.environment import environment_lines, git_lines


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """Run git in a folder of its own, blind to the user's settings."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.org")
        monkeypatch.setenv(f"GIT_{who}_DATE", "2026-03-04T05:06:07 +0000")
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


def git(folder, *args):
    subprocess.run(["git", "-C", str(folder), *args], check=True, capture_output=True)


def test_git_lines(repo):
    assert git_lines(repo) == ["- Git hash: `not a git checkout`"]
    git(repo, "init")
    assert git_lines(repo) == ["- Git hash: `no commit yet`"]
    (repo / "file").write_text("a")
    git(repo, "add", "file")
    git(repo, "commit", "-m", "a")
    first, second = git_lines(repo)
    assert len(first) == len("- Git hash: ``") + 40
    assert second == "  - Commit date: `Wed Mar 4 05:06:07 2026 +0000`"
    (repo / "file").write_text("b")
    assert git_lines(repo)[0].endswith(" (with uncommitted changes)")


def test_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_lines() == ["- Git hash: `not a git checkout`"]


def test_environment_lines(monkeypatch):
    lines = environment_lines("some day")
    assert lines[0] == "- date: `some day`"
    names = [line.split(":")[0].strip(" -") for line in lines]
    assert names[:5] == [
        "date",
        "python version",
        "espnet version",
        "espnet2_distilmos version",
        "pytorch version",
    ]
    assert all("\n" not in line for line in lines)
    assert environment.package_version("no-such-package-here") == "not installed"
    assert environment_lines()[0] != lines[0]


def test_the_processor_is_named_with_its_widest_vectors(tmp_path):
    """The same seed gives other weights on another kind: so it stands in RESULTS.md."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 2.5\nflags\t\t: fpu avx2 avx512f\n"
    )
    assert environment.processor(cpuinfo) == "Some CPU @ 2.5 with avx512f"
    cpuinfo.write_text("model name : Old CPU\nflags : fpu sse2\n")
    assert environment.processor(cpuinfo) == "Old CPU"
    assert environment.processor(tmp_path / "none")
    assert environment.processor() in environment_lines("some day")[-1]
