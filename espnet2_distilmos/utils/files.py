"""Files that are either whole or not there: every output of the project goes
through this module."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Iterator, Set, Union

import numpy as np
import yaml

from espnet2_distilmos.utils.errors import UserError

PathLike = Union[str, Path]
# What a disk without room, a used-up quota and a limit on file sizes say.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEMPORARY = ".tmp"
_cleared: Set[Path] = set()  # folders, by this process


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`; rename it when the block ends.

    The folder is made if need be; what killed processes left unfinished in it is
    removed when a process first writes there. If the block raises, the temporary file
    is removed and an older `path` stays as it was.

    Raises:
        UserError: there is no room on the disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    # The suffix is kept: many writers (soundfile, matplotlib, numpy) look at it.
    fd, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}{_TEMPORARY}", suffix=path.suffix
    )
    # Locked while we live, see _remove_leftovers. Some file systems have no locks, and
    # there nothing is ever removed.
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)
    tmp = Path(name)
    try:
        yield tmp
        # mkstemp makes files private (0600); outputs get the user's usual mode.
        umask = os.umask(0)
        os.umask(umask)
        tmp.chmod(0o666 & ~umask)
        with open(tmp, "rb") as f:
            os.fsync(f.fileno())
        os.replace(tmp, path)
    except OSError as e:
        if e.errno not in NO_ROOM:
            raise
        raise no_room(path, e.strerror) from e
    finally:
        tmp.unlink(missing_ok=True)
        os.close(fd)


def no_room(path: PathLike, reason: object) -> UserError:
    """The error that `path` cannot be written in full."""
    return UserError(
        f"{path}: cannot be written ({reason}); make room and run the same again: what "
        "is whole is kept"
    )


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files in `folder` whose writer was killed; once a process."""
    folder = folder.absolute()
    if folder in _cleared:  # a folder may hold a great many files
        return
    _cleared.add(folder)
    for tmp in folder.glob(f".*{_TEMPORARY}*"):
        with contextlib.suppress(OSError), open(tmp, "r+b") as f:
            # Refused while the writer is alive.
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tmp.unlink()


def file_name(utt: str) -> str:
    """An ID as the beginning of a file's name: it leads into no other folder."""
    return utt.replace("/", "%2F")


def write_text(path: PathLike, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as tmp:
        tmp.write_text(text, encoding="utf-8")


def write_json(path: PathLike, data: Any) -> None:
    """Write JSON atomically; NaN is refused (it is not JSON)."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_yaml(path: PathLike, data: Any) -> None:
    """Write YAML of plain types atomically, keys in the given order."""
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def read_yaml(path: PathLike) -> dict:
    """Read a YAML mapping.

    Raises:
        UserError: no such file, no valid YAML, or no mapping.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except RecursionError as e:
        raise UserError(f"{path}: not valid YAML: nested too deeply") from e
    # PyYAML lets through what its constructors raise: a date of the 40th of May is a
    # ValueError, `!!bool x` a KeyError, `!!timestamp x` an AttributeError...
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as e:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(e).split())}") from e
    if not isinstance(data, dict):
        raise UserError(f"{path}: a YAML mapping (key: value lines) was expected")
    return data


def sha256_file(path: PathLike) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        UserError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    return digest.hexdigest()


def read_array(path: PathLike, ndim: int = 2) -> np.ndarray:
    """Read a `.npy` of finite floats; nothing in it can run code.

    Raises:
        UserError: no such file, cut off, or something else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror or e})") from e
    except Exception as e:  # a broken header makes numpy raise a dozen types
        raise UserError(
            f"{path}: not an array that this package wrote ({type(e).__name__}); "
            "delete its folder and run its stage again"
        ) from e
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != ndim
        or array.dtype.kind != "f"
        or not np.isfinite(array).all()
    ):
        raise UserError(
            f"{path}: {ndim} dimensions of finite floats were expected; delete its "
            "folder and run its stage again"
        )
    return array


@contextlib.contextmanager
def folder_lock(folder: PathLike) -> Iterator[None]:
    """Keep a second writer out of `folder`. The lock dies with its process.

    Raises:
        UserError: another process holds the lock.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise UserError(
                f"{folder}: another process is writing here; wait for it or stop it"
            ) from e
        yield
