"""Stamps: what an output was made from, so that nothing whole is made again.

A stamp names by content whatever decides a result, and nothing else: no dates, no
places. Dates are a first look only (:func:`quick_look`), where content takes long.
"""

import functools
import hashlib
import logging
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    read_yaml,
    sha256_file,
    write_json,
    write_yaml,
)

# Of a folder that stage 1 has formatted.
FORMAT_STAMP = "format.yaml"
# Content of a stamp -> the files that it stands for, as far as they are checked.
Files = Callable[[Dict[str, Any]], Iterable[PathLike]]


def _none(content: Dict[str, Any]) -> Iterable[PathLike]:
    return ()


def matches(stamp: PathLike, request: Dict[str, Any], files: Files = _none) -> bool:
    """Tell whether `stamp` is there and of this very request; changes nothing.

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
    """Return the first of the files that is gone; nothing if all are there."""
    return next((str(f) for f in files(content) if not Path(f).exists()), "")


def is_whole(stamp: PathLike, request: Dict[str, Any], files: Files = _none) -> bool:
    """Tell whether `stamp` says that its folder was made from this very request.

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
    """Write the stamp, last of all files of an output, with further provenance.

    A name that ends in `.json` gets JSON, which is YAML too: an output of JSON can be
    its own stamp.
    """
    write = write_json if Path(stamp).suffix == ".json" else write_yaml
    write(stamp, {"request": request, **more})


_ABSENT = object()


def differences(old: Any, new: Any, name: str = "") -> List[str]:
    """Say what differs between two requests: `labels train`, `seed 0 -> 1`.

    Digests are named without their values, which tell nobody anything.

    Args:
        old: plain types.
        new: likewise; mappings are compared key by key.
        name: of the two.
    """
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            text
            for key in dict.fromkeys([*old, *new])
            for text in differences(
                old.get(key, _ABSENT), new.get(key, _ABSENT), f"{name} {key}".strip()
            )
        ]
    if any(_is_digest(value) for value in (old, new)):
        return [name]
    return [f"{name} {_shown(old)} -> {_shown(new)}"]


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and value.isalnum()


def _shown(value: Any) -> str:
    text = "none" if value is _ABSENT else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def digest_of(lines: Iterable[str]) -> str:
    """Return the hex SHA-256 of lines of text."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def quick_look(files: Mapping[str, str]) -> str:
    """Return a hash of IDs, places, sizes and times, which costs no reading.

    The same hash: nothing has been written (no copy keeps the time of change that the
    system notes). Another one says nothing; content has to be looked at.
    """
    return digest_of(
        f"{utt} {os.path.abspath(path)} {_state(path)}"
        for utt, path in sorted(files.items())
    )


def _state(path: PathLike) -> str:
    """Size, times and number of a file, which change whenever it is written."""
    try:
        stat = os.stat(path)
    # Whoever reads it will say what is wrong with it (ValueError: a NUL in a name).
    except (OSError, ValueError):
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def fingerprint(files: Mapping[str, str]) -> str:
    """Return a hash of IDs and of the bytes of their files, wherever these lie."""

    def content(path: str) -> str:
        try:
            return sha256_file(path)
        # As above: whoever reads it will say what is wrong with it.
        except (UserError, ValueError):
            return "missing"

    return digest_of(f"{utt} {content(path)}" for utt, path in sorted(files.items()))


def audio_request(data_dir: PathLike) -> Dict[str, Any]:
    """Return the audio of a data directory, for stamps of what depends on it.

    Where stage 1 has recorded it, by its samples and lengths, wherever it lies; else by
    the paths in `wav.scp`, the best that is known of a folder that stage 1 did not
    write, of one by an earlier version, and where somebody has edited `wav.scp` since.

    Raises:
        UserError: a file that is missing or cannot be read.
    """
    folder = Path(data_dir)
    found = read_yaml(folder / FORMAT_STAMP) if (folder / FORMAT_STAMP).exists() else {}
    samples = found.get("audio_sha256")
    request = {} if samples is None else {"audio_sha256": str(samples)}
    scp = sha256_file(folder / "wav.scp")
    if samples is None or found.get("wav_scp_sha256") != scp:
        return {"wav_scp_sha256": scp, **request}
    request["clips_sha256"] = sha256_file(folder / "utt2num_samples")
    # The samples were recorded before they were levelled.
    level = (found.get("request") or {}).get("level_db")
    return request if level is None else {**request, "level_db": level}


def checkpoint_sha256(path_or_url: Optional[str]) -> Optional[str]:
    """Return the SHA-256 of a checkpoint: a file, or a folder of transformers.

    None where it is neither: a name, a URL, a repository on the hub.
    """
    path = Path(path_or_url) if path_or_url else None
    if path is not None and path.is_file():
        return _sha256_once(str(path.absolute()), _state(path))
    if path is None or not path.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.suffix in (".json", ".safetensors", ".bin"):
            digest.update(f"{file.name} {sha256_file(file)}\n".encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=16)
def _sha256_once(path: str, state: str) -> str:
    """SHA-256 of a file that is asked for again and again, and may hold gigabytes."""
    return sha256_file(path)
