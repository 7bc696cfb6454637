"""Debian's and Ubuntu's packages, fetched and unpacked by any user, without root."""

import os
import subprocess
from pathlib import Path
from typing import List

from espnet2_distilmos.utils.errors import UserError


def run(command: List[str], cwd: Path) -> subprocess.CompletedProcess:
    """Run a program with its messages in English, since they are read and shown."""
    env = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def _private_apt(folder: Path) -> List[str]:
    """Return options that keep apt's state in `folder`: any user may update it."""
    lists, cache = folder / "lists", folder / "cache"
    for made in (lists / "partial", cache / "archives" / "partial"):
        made.mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]


def _needed(options: List[str], names: List[str], folder: Path) -> tuple:
    """Return `names` and what they need and the machine lacks, and apt's answer."""
    simulate = ["-s", "-o", "Debug::NoLocking=true", "--no-install-recommends"]
    done = run(["apt-get", *options, *simulate, "install", *names], folder)
    missing = [x.split()[1] for x in done.stdout.split("\n") if x.startswith("Inst ")]
    return sorted({*names, *missing}), done


def download(
    names: List[str], folder: Path, what: str, remedy: str, dependencies: bool = False
) -> None:
    """Bring the newest `names` into `folder`; apt checks the signatures.

    Args:
        names: packages.
        folder: where the .deb files go.
        what: what they hold, for messages.
        remedy: what else the user can do, for messages.
        dependencies: also fetch what they need and the machine lacks.

    Raises:
        UserError: they cannot be had.
    """
    # First as the machine is; its package lists may be missing or too old (containers
    # have none), then with lists of our own.
    options: List[str] = []
    for options in ([], _private_apt(folder / "apt")):
        said = ""
        if options:
            said = run(["apt-get", *options, "update"], folder).stderr
        wanted, done = names, None
        if dependencies:
            wanted, done = _needed(options, names, folder)
        if done is None or done.returncode == 0:
            done = run(["apt-get", *options, "download", *wanted], folder)
        if done.returncode == 0:
            return
    errors = [
        x[3:] for x in f"{said}\n{done.stderr}".split("\n") if x.startswith("E: ")
    ]
    reason = errors[-1] if errors else f"apt-get exit code {done.returncode}"
    raise UserError(f"{what} cannot be downloaded: {reason}; {remedy}")


def unpack(deb: Path, root: Path) -> None:
    """Unpack a package into the folder `root`.

    Raises:
        UserError: a damaged file.
    """
    done = run(["dpkg-deb", "-x", str(deb), str(root)], deb.parent)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise UserError(f"{deb.name}: damaged package, run again ({reason})")


def field(deb: Path, name: str) -> str:
    """Return a field of a package's control file, e.g. `Version`."""
    return run(["dpkg-deb", "-f", str(deb), name], deb.parent).stdout.strip()
