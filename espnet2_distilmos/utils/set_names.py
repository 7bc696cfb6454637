"""What data directories are called in tables and output folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Dict, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def set_name(folder: PathLike, root: Optional[PathLike] = None) -> str:
    """Return what a data directory is called: its path below `root`, e.g. `somos/test`.

    Without `root`, its last component.

    Raises:
        UserError: not below `root`.
    """
    if root is None:
        return Path(folder).resolve().name
    # Not resolved: a link below `root` has the name that it has there.
    path, root = Path(folder).absolute(), Path(root).absolute()
    if not path.is_relative_to(root):
        raise UserError(f"{folder}: is not in {root}")
    return path.relative_to(root).as_posix()


def named_sets(
    folders: Sequence[PathLike], root: Optional[PathLike] = None
) -> Dict[str, Path]:
    """Return name (:func:`set_name`) -> folder of some data directories.

    Raises:
        UserError: no such folder, two of one name, or one that is not below `root`.
    """
    named: Dict[str, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; stage 1 makes it")
        name = set_name(folder, root)
        if name in named:
            raise UserError(
                f"{named[name]} and {folder} are both called {name}; name the folder "
                "that both are in (--root)"
            )
        named[name] = folder
    return named
