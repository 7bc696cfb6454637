"""Models in CTranslate2's format: read as plain numbers, without CTranslate2.

The format, little endian: u32 version; the model's kind; u32 its revision; u32 number
of variables; each: name, u8 rank, u32 a dimension, u8 type, u32 bytes, data; u32 number
of aliases; each: two names. A text is a u16 length, that many bytes, the last one 0.
"""

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO, Dict, Tuple

import numpy as np

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

VERSION = 6
# By the number that the file has for it; 5 is bfloat16, which numpy lacks.
_TYPES: Dict[int, str] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_SIZES = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}
# More than any model has; a damaged file may name billions.
_MOST_VARIABLES = 100_000
_MOST_DIMENSIONS = 8


class _Reader:
    """A file that is read from its beginning, never further than its end."""

    def __init__(self, f: BinaryIO, path: PathLike):
        self.f, self.path = f, path
        self.left = os.fstat(f.fileno()).st_size

    def broken(self, what: str) -> UserError:
        return UserError(
            f"{self.path}: not a model of CTranslate2, or a damaged one: {what}"
        )

    def take(self, size: int, what: str) -> bytes:
        self._require(size, what)
        return self.f.read(size)

    def skip(self, size: int, what: str) -> None:
        self._require(size, what)
        self.f.seek(size, os.SEEK_CUR)

    def _require(self, size: int, what: str) -> None:
        if size > self.left:
            raise self.broken(f"it ends within {what}")
        self.left -= size

    def number(self, kind: str, what: str) -> int:
        """One unsigned number: `B`, `H` or `I` (1, 2 or 4 bytes)."""
        kind = f"<{kind}"
        return struct.unpack(kind, self.take(struct.calcsize(kind), what))[0]

    def text(self, what: str) -> str:
        content = self.take(self.number("H", what), what)
        if content[-1:] != b"\0" or not content[:-1].isascii():
            raise self.broken(f"{what} is no text")
        name = content[:-1].decode()
        if not name.isprintable():
            raise self.broken(f"{what} is no text")
        return name


def read_ctranslate2(
    path: PathLike, kind: str, prefix: str = ""
) -> Dict[str, np.ndarray]:
    """Read the variables of a model; nothing in it can run code.

    Args:
        path: `model.bin`.
        kind: what the file must say that the model is, as in `WhisperSpec`.
        prefix: beginning of the names that are wanted; others are passed over.

    Returns:
        Name -> array as it is in the file; a number has no dimensions. Aliases are
        other names of variables, and are left out.

    Raises:
        UserError: no such file, of another kind or version, damaged, cut off, or
            bfloat16 among the wanted variables.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    with open(path, "rb") as f:
        reader = _Reader(f, path)
        version = reader.number("I", "its version")
        if version != VERSION:
            raise reader.broken(f"version {version}; {VERSION} is known")
        found = reader.text("its kind")
        if found != kind:
            raise UserError(f"{path}: a model of kind {found}; {kind} is needed")
        reader.number("I", "its revision")
        n_variables = reader.number("I", "the number of variables")
        if n_variables > _MOST_VARIABLES:
            raise reader.broken(f"{n_variables} variables")
        variables: Dict[str, np.ndarray] = {}
        for i in range(n_variables):
            name = reader.text(f"the name of variable {i + 1}")
            shape, kind_of, size = _header(reader, name)
            if not name.startswith(prefix):
                reader.skip(size, name)
                continue
            if name in variables:
                raise reader.broken(f"{name} is there twice")
            if kind_of not in _TYPES:
                raise UserError(f"{path}: {name} is bfloat16, which is not supported")
            data = reader.take(size, name)
            variables[name] = np.frombuffer(data, _TYPES[kind_of]).reshape(shape)
        for _ in range(reader.number("I", "the number of aliases")):
            reader.text("an alias")
            reader.text("an alias")
        if reader.left:
            raise reader.broken(f"{reader.left} bytes behind its end")
    return variables


def _header(reader: _Reader, name: str) -> Tuple[Tuple[int, ...], int, int]:
    """Shape, type and bytes of a variable."""
    rank = reader.number("B", name)
    if rank > _MOST_DIMENSIONS:
        raise reader.broken(f"{name} has {rank} dimensions")
    shape = tuple(reader.number("I", name) for _ in range(rank))
    kind = reader.number("B", name)
    size = reader.number("I", name)
    if kind not in _SIZES:
        raise reader.broken(f"{name} is of type {kind}, which is not known")
    if 0 in shape or math.prod(shape) * _SIZES[kind] != size:
        raise reader.broken(f"{name} has {size} bytes for a shape of {shape}")
    return shape, kind, size
