"""Whether weights are whole: every bit of a file, every tensor, every number."""

import os
import zipfile
from typing import Any, Iterable, Mapping

import torch

from espnet2_distilmos.utils.errors import UserError


def require_whole_file(path: Any) -> None:
    """Check the checksums that torch writes beside every tensor of a file (CRC-32).

    torch itself does not look at them. Files of torch before 1.6, and what is no file's
    name, have none and pass.

    Raises:
        UserError: a part of the file is not what was written.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        return
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as z:
            broken = z.testzip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return  # torch says what is wrong
    except RuntimeError:  # encrypted: torch says so
        return
    if broken is not None:
        raise UserError(
            f"{path}: damaged: the checksum of {broken} does not fit (a disk, a cache "
            "or a download changed bits of it); get the file again"
        )


def require_finite(states: Mapping[str, Any], where: object) -> None:
    """Refuse NaN and Inf among weights.

    Args:
        states: name -> tensor; others than floating point pass.
        where: the file, for the error.

    Raises:
        UserError: names the tensors.
    """
    bad = [
        name
        for name, value in states.items()
        if torch.is_tensor(value)
        and value.is_floating_point()
        and value.device.type != "meta"
        and not _is_finite(value)
    ]
    if bad:
        raise UserError(
            f"{where}: NaN or Inf in {name_some(bad)}: a training that diverged, or a "
            "damaged file; take another checkpoint"
        )


def _is_finite(value: torch.Tensor) -> bool:
    # A sum takes a fiftieth of the time, and holds NaN or Inf if any value is; sums of
    # large finite values may overflow.
    return bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all())


def name_some(names: Iterable[str], most: int = 3) -> str:
    """Return `a, b, c and 9 more (12 tensors)`."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    count = f"{len(names)} tensor{'s' * (len(names) != 1)}"
    return f"{', '.join(names[:most])}{more} ({count})"
