"""Files that are either whole or not there: what writes every output."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Set, Union

import yaml

from espnet2_distilmos.utils.errors import UserError

if TYPE_CHECKING:
    pass

PathLike = Union[str, Path]
# What a disk without room, a used-up quota and a limit on file sizes say.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
STDOUT = "-"  # in the options of many programs; no file's name here
MOST_VALUES = 10_000_000  # of a YAML file: what a few aliases of aliases come to
_TEMPORARY = ".tmp"
_cleared: Set[Path] = set()  # folders, by this process


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`; rename it when the block ends.

    The folder is made if need be; what killed processes left unfinished in it is
    removed when a process first writes there. If the block raises, the temporary file
    is removed and an older `path` stays as it was.

    Raises:
        UserError: there is no room on the disk, or something stands in the way.
    """
    path = Path(path)
    require_output(path)
    make_folder(path.parent)
    _remove_leftovers(path.parent)
    # The suffix is kept: many writers (soundfile, matplotlib, numpy) look at it. A name
    # may be as long as the system allows, but not longer with what is put around it.
    fd, name = tempfile.mkstemp(
        dir=path.parent,
        prefix=f".{path.stem[:40]}{_TEMPORARY}",
        suffix=path.suffix if len(path.suffix) < 16 else "",
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


def make_folder(folder: PathLike) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        UserError: a file stands in the way, or `-` is no folder's name.
    """
    _require_name(folder)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as e:
        raise UserError(
            f"{folder}: no folder can be here, there is a file of that name; move it "
            "or choose another folder"
        ) from e


def require_output(
    path: PathLike,
    *inputs: Optional[PathLike],
    outputs: Sequence[Optional[PathLike]] = (),
) -> None:
    """Refuse a file's name that nothing can, or should, be written to.

    Called before work begins whose result goes there; :func:`atomic_path` calls it too.

    Args:
        path: of the file.
        inputs: what the work reads, and what must not be written over.
        outputs: other files that the work writes.

    Raises:
        UserError: a folder, a device, a pipe, an input, another output.
    """
    absolute = Path(os.path.abspath(path))
    _require_name(path)
    if absolute.is_dir():
        raise UserError(f"{path}: is a folder; a file's name is needed here")
    # The file is renamed into its place: it would take that of /dev/null for good.
    if (absolute.exists() and not absolute.is_file()) or (
        absolute.parts[1:2] in [("dev",), ("proc",), ("sys",)]
        and not absolute.is_relative_to("/dev/shm")
    ):
        raise UserError(f"{path}: a device or a pipe; a plain file's name is needed")
    for name in inputs:
        if name is not None and same_place(path, name):
            raise UserError(
                f"{path}: is read here and would be lost; choose another output"
            )
    for name in outputs:
        if name is not None and same_place(path, name):
            raise UserError(
                f"{path}: two outputs would be written to this one file; choose "
                "another name for one of them"
            )


def require_folder(folder: PathLike, *inputs: Optional[PathLike]) -> None:
    """Refuse a folder that nothing can, or should, be written to.

    Args:
        folder: for the output.
        inputs: folders that the work reads.

    Raises:
        UserError: a file, or an input.
    """
    folder = Path(folder)
    _require_name(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; a folder's name is needed here")
    for name in inputs:
        if name is not None and same_place(folder, name):
            raise UserError(
                f"{folder}: is read here and would be written over; choose another "
                "folder for the output"
            )


def _require_name(path: PathLike) -> None:
    if Path(path).parts[:1] == (STDOUT,):
        raise UserError(
            "'-' cannot be written to: this does not go to stdout; name a file or "
            "folder"
        )


def same_place(a: PathLike, b: PathLike) -> bool:
    """Tell whether two names lead to the same file or folder."""
    try:
        return os.path.samefile(a, b)
    except OSError:  # one of them is not there
        return os.path.abspath(a) == os.path.abspath(b)


def no_room(path: PathLike, reason: object) -> UserError:
    """Return the error that `path` cannot be written in full."""
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
    """Return an ID as the beginning of a file's name: it leads into no other folder."""
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
        UserError: no such file, no valid YAML, no mapping, or aliases without end.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except RecursionError as e:
        raise UserError(f"{path}: not valid YAML: nested too deeply") from e
    # PyYAML lets through what its constructors raise: a date of the 40th of May is a
    # ValueError, `!!bool x` a KeyError, `!!timestamp x` an AttributeError, a time with
    # hundreds of colons an OverflowError...
    except (
        *(yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError),
        ArithmeticError,
    ) as e:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(e).split())}") from e
    if not isinstance(data, dict):
        raise UserError(f"{path}: a YAML mapping (key: value lines) was expected")
    if _n_values(data, {}) > MOST_VALUES:
        raise UserError(
            f"{path}: its aliases (*name) expand to more than {MOST_VALUES} values, or "
            "without end; write them out"
        )
    return data


def _n_values(data: Any, known: Dict[int, float]) -> float:
    """Count the values of a document, aliases written out; inf if one holds itself."""
    if not isinstance(data, (dict, list)):
        return 1
    if id(data) not in known:
        known[id(data)] = math.inf  # as long as its own values are counted
        inner = data.values() if isinstance(data, dict) else data
        known[id(data)] = 1 + sum(_n_values(value, known) for value in inner)
    return known[id(data)]


def sha256_file(path: PathLike) -> str:
    """Return the hex SHA-256 of a file's bytes.

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


@contextlib.contextmanager
def folder_lock(folder: PathLike) -> Iterator[None]:
    """Keep a second writer out of `folder`. The lock dies with its process.

    Raises:
        UserError: another process holds the lock.
    """
    folder = Path(folder)
    make_folder(folder)
    with open(folder / ".lock", "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise UserError(
                f"{folder}: another process is writing here; wait until it has ended, "
                "or end it, and run the same again"
            ) from e
        yield
