"""Stamps: what an output was made from, so that nothing whole is made again."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Mapping

from espnet2_distilmos.utils.files import PathLike, read_yaml, write_yaml

# Of a folder that stage 1 has formatted.
FORMAT_STAMP = "format.yaml"
# Content of a stamp -> the files that it stands for, as far as they are checked.
Files = Callable[[Dict[str, Any]], Iterable[PathLike]]


def _none(content: Dict[str, Any]) -> Iterable[PathLike]:
    return ()


def matches(stamp: PathLike, request: Dict[str, Any], files: Files = _none) -> bool:
    """Whether `stamp` is there and of this very request; changes nothing.

    Args:
        stamp: as for :func:`is_whole`.
        request: likewise.
        files: likewise.
    """
    stamp = Path(stamp)
    if not stamp.exists():
        return False
    content = read_yaml(stamp)
    return content.get("request") == request and not _missing(content, files)


def _missing(content: Dict[str, Any], files: Files) -> str:
    """The first of the files that is gone; nothing if all are there."""
    return next((str(f) for f in files(content) if not Path(f).exists()), "")


def is_whole(stamp: PathLike, request: Dict[str, Any], files: Files = _none) -> bool:
    """Whether `stamp` says that its folder was made from this very request.

    A stamp of another request, or of files that are gone, is removed: what it stands
    for is about to be written over, and must not be taken for whole if that is
    interrupted.

    Args:
        stamp: YAML file written by :func:`write_stamp` when the output was whole.
        request: everything that the output depends on, as plain types.
        files: what was written; if a user has removed one, all is made again.
    """
    stamp = Path(stamp)
    if not stamp.exists():
        return False
    content = read_yaml(stamp)
    if content.get("request") != request:
        logging.info(f"{stamp.parent}: made from something else, making it again")
    elif missing := _missing(content, files):
        logging.warning(f"{missing}: is gone; making {stamp.parent} again")
    else:
        logging.info(f"{stamp.parent}: already whole, nothing to do")
        return True
    stamp.unlink(missing_ok=True)
    return False


def write_stamp(stamp: PathLike, request: Dict[str, Any], **more: Any) -> None:
    """Write the stamp, last of all files of an output, with further provenance."""
    write_yaml(stamp, {"request": request, **more})


def fingerprint(files: Mapping[str, str]) -> str:
    """A hash of IDs, paths, sizes and times: new wavs under old names are noticed."""
    digest = hashlib.sha256()
    for utt, path in sorted(files.items()):
        try:
            stat = os.stat(path)
            state = f"{stat.st_size} {stat.st_mtime_ns}"
        # Whoever reads it will say what is wrong with it (ValueError: a NUL in a name).
        except (OSError, ValueError):
            state = "missing"
        line = f"{utt} {os.path.abspath(path)} {state}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def audio_request(data_dir: PathLike) -> Dict[str, str]:
    """What stage 1 has recorded of the samples, for stamps of what depends on them.

    Without it, other audio under the same names would go unnoticed. Nothing for folders
    that stage 1 did not write, or an earlier version of it.
    """
    stamp = Path(data_dir) / FORMAT_STAMP
    found = read_yaml(stamp).get("audio_sha256") if stamp.exists() else None
    return {} if found is None else {"audio_sha256": str(found)}
