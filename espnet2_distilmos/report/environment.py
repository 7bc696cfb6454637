"""The `## Environments` list of a RESULTS.md, as ESPnet's scripts write it."""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import List, Optional

import espnet2_distilmos
from espnet2_distilmos.utils.files import PathLike

# Vector instructions as /proc/cpuinfo names them, the widest first.
VECTORS = ("amx_tile", "avx512f", "avx2", "avx", "asimd")


def package_version(name: str) -> str:
    """Version of an installed package, found without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _git(repo: PathLike, *args: str) -> Optional[str]:
    """Output of a git command; None if it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repo), *args], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_lines(repo: PathLike = ".") -> List[str]:
    """Hash and date of the commit that `repo` is at, as list items."""
    commit = _git(repo, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        if _git(repo, "rev-parse", "--is-inside-work-tree") is None:
            return ["- Git hash: `not a git checkout`"]
        return ["- Git hash: `no commit yet`"]
    # Results are usually written into the checkout, so new files say nothing.
    changed = _git(repo, "status", "--porcelain", "--untracked-files=no")
    note = " (with uncommitted changes)" if changed else ""
    date = _git(repo, "log", "-1", "--format=%cd")
    return [f"- Git hash: `{commit}`{note}", f"  - Commit date: `{date}`"]


def processor(cpuinfo: PathLike = "/proc/cpuinfo") -> str:
    """Name of the processor, and the widest vectors that it has.

    Libraries choose their kernels by these: the same training gives other last bits on
    another kind, and so in the end other weights.

    Args:
        cpuinfo: Linux's description; where there is none, Python's word for it.
    """
    try:
        lines = Path(cpuinfo).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return platform.processor() or "unknown processor"
    found = {
        k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)
    }
    name = found.get("model name") or platform.processor() or "unknown processor"
    flags = set(found.get("flags", "").split())
    widest = next((v for v in VECTORS if v in flags), None)
    return name if widest is None else f"{name} with {widest}"


def environment_lines(date: Optional[str] = None, repo: PathLike = ".") -> List[str]:
    """Where the figures come from, as Markdown list items.

    Args:
        date: What to write as the date; None for now.
        repo: A folder of the git checkout to name.
    """
    if date is None:
        date = time.strftime("%a %b %d %H:%M:%S %Z %Y")
    python = sys.version.replace("\n", "")
    return [
        f"- date: `{date}`",
        f"- python version: `{python}`",
        f"- espnet version: `espnet {package_version('espnet')}`",
        "- espnet2_distilmos version: "
        f"`espnet2_distilmos {espnet2_distilmos.__version__}`",
        f"- pytorch version: `pytorch {package_version('torch')}`",
        *git_lines(repo),
        f"- machine: `{platform.system()} {platform.machine()}, {processor()}, "
        f"{os.cpu_count()} CPU cores`",
    ]
