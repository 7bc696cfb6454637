"""Protocol Buffers as bytes: field number and wire type, then the value.

Enough to look a file over before anything loads it, and to write parts of it anew:
nothing is built of what is read, and there is no schema.
"""

import mmap
from collections.abc import Iterator
from typing import Set, Tuple, Union

MOST_TEXT = 1_000_000  # bytes of a name, or of a value of the metadata
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(Exception):
    """Not Protocol Buffers, or not the message that was expected."""


class Reader:
    """Reads messages of a file; each method is given a message's place in it."""

    def __init__(self, data: Union[bytes, mmap.mmap]):
        self.data = data

    def messages(
        self, start: int, end: int, wanted: Set[int]
    ) -> Iterator[Tuple[int, int, int]]:
        """Yield number, start and end of the messages in some fields of a message."""
        for number, wire, a, b in self.fields(start, end):
            if number in wanted:
                if wire != BYTES:
                    raise Malformed(f"byte {a}")
                yield number, a, b

    def texts(
        self, start: int, end: int, wanted: Tuple[int, ...]
    ) -> Iterator[Tuple[int, str]]:
        """Yield number and text of some fields of a message."""
        for number, a, b in self.messages(start, end, set(wanted)):
            if b - a > MOST_TEXT:
                raise Malformed(f"a text of {b - a} bytes")
            try:
                yield number, self.data[a:b].decode("utf-8")
            except UnicodeDecodeError as e:
                raise Malformed(f"a text that is not UTF-8 at byte {a}") from e

    def fields(self, start: int, end: int) -> Iterator[Tuple[int, int, int, int]]:
        """Yield number, wire type, start and end of each field's value."""
        at = start
        while at < end:
            key, at = self.varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                stop = self.varint(at, end)[1]
            elif wire == BYTES:
                length, at = self.varint(at, end)
                stop = at + length
            elif wire in (FIXED64, FIXED32):
                stop = at + (8 if wire == FIXED64 else 4)
            else:  # groups, which onnx.proto has none of
                raise Malformed(f"byte {at}")
            if number == 0 or stop > end:
                raise Malformed(f"byte {at}")
            yield number, wire, at, stop
            at = stop

    def varint(self, at: int, end: int) -> Tuple[int, int]:
        """Return the number that begins at `at`, and where it ends."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
        raise Malformed(f"byte {at}")


def number_bytes(value: int) -> bytes:
    """Return a number from 0 on as a message holds it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """Return a field that holds a number."""
    return number_bytes(number << 3 | VARINT) + number_bytes(value)


def head(number: int, length: int) -> bytes:
    """Return what stands before the bytes of a message, a text or other bytes."""
    return number_bytes(number << 3 | BYTES) + number_bytes(length)
