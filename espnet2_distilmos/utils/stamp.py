"""Stamps: what an output was made from, so that nothing whole is made again."""

import logging
from pathlib import Path
from typing import Any, Dict

from espnet2_distilmos.utils.files import PathLike, read_yaml, write_yaml


def matches(stamp: PathLike, request: Dict[str, Any]) -> bool:
    """Whether `stamp` is there and of this very request; changes nothing."""
    stamp = Path(stamp)
    return stamp.exists() and read_yaml(stamp).get("request") == request


def is_whole(stamp: PathLike, request: Dict[str, Any]) -> bool:
    """Whether `stamp` says that its folder was made from this very request.

    A stamp of another request is removed: what it stands for is about to be written
    over, and must not be taken for whole if that is interrupted.

    Args:
        stamp: YAML file written by :func:`write_stamp` when the output was whole.
        request: everything that the output depends on, as plain types.
    """
    stamp = Path(stamp)
    if not stamp.exists():
        return False
    same = matches(stamp, request)
    if same:
        logging.info(f"{stamp.parent}: already whole, nothing to do")
    else:
        logging.info(f"{stamp.parent}: made from something else, making it again")
        stamp.unlink(missing_ok=True)
    return same


def write_stamp(stamp: PathLike, request: Dict[str, Any], **more: Any) -> None:
    """Write the stamp, last of all files of an output, with further provenance."""
    write_yaml(stamp, {"request": request, **more})
