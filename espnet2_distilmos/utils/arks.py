"""Kaldi arks of matrices or vectors: written in parts, joined without decoding."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Dict, Tuple

import kaldiio
import numpy as np

from espnet2_distilmos.utils.files import PathLike, atomic_path


def write_ark(
    path: PathLike, arrays: Iterable[Tuple[str, np.ndarray]]
) -> Dict[str, int]:
    """Write an ark atomically; return where in it each array begins.

    Args:
        path: of the ark.
        arrays: IDs and arrays, which are written as they come.
    """
    offsets = {}
    with atomic_path(path) as tmp, kaldiio.WriteHelper(f"ark:{tmp}") as writer:
        for utt, array in arrays:
            # An entry is its key, a blank, then the array that an scp points to.
            offsets[utt] = writer.fark.tell() + len(utt.encode()) + 1
            writer(utt, array)
    return offsets


def join_arks(
    path: PathLike, parts: Iterable[Tuple[PathLike, Mapping[str, int]]]
) -> Dict[str, str]:
    """Write the arks of some parts as one, atomically; return `PATH:OFFSET` of each ID.

    Args:
        path: of the whole ark.
        parts: each part's ark, and what :func:`write_ark` returned of it.
    """
    places: Dict[str, str] = {}
    with atomic_path(path) as tmp, open(tmp, "wb") as f:
        for ark, offsets in parts:
            start = f.tell()
            with open(Path(ark), "rb") as part:
                shutil.copyfileobj(part, f)
            for utt, offset in offsets.items():
                places[utt] = f"{path}:{start + offset}"
    return places
