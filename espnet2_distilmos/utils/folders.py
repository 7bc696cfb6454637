"""Folders that are either whole or not there."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

from espnet2_distilmos.utils.files import PathLike, make_folder


@contextlib.contextmanager
def atomic_folder(folder: PathLike) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; rename it when the block ends.

    If the block raises, nothing stays. Where another process was faster, its folder
    stays: use this where all of them make the same.

    Args:
        folder: that is not there yet.
    """
    folder = Path(folder)
    make_folder(folder.parent)
    tmp = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:40]}."))
    try:
        yield tmp
        # mkdtemp makes folders private (0700); outputs get the user's usual mode.
        umask = os.umask(0)
        os.umask(umask)
        tmp.chmod(0o777 & ~umask)
        settle(tmp, folder)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def settle(tmp: Path, folder: Path) -> None:
    """Rename a whole folder; another process that was faster has made the same."""
    try:
        tmp.rename(folder)
    except OSError:
        if not folder.exists():
            raise
