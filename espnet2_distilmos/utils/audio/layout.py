"""What a file's own structure tells: where its sounds lie, and whether all is there."""

import io
import os
from dataclasses import dataclass, field
from typing import List, Optional

# Recorders that write to a pipe promise some 2 or 4 GB, or nothing: "until the end".
ENDLESS = 0x7FFF0000
_STRAY = 16  # fewer bytes behind the samples are no sound of anything


class Broken(Exception):
    """Why a file is not to be used, in words; becomes a UserError that names it."""


@dataclass
class Part:
    """A stretch of a file that is a whole sound file by itself.

    Attributes:
        start: its first byte.
        end: the byte behind its last.
        samples: what it must hold a channel, if that is known from elsewhere than its
            header.
        by_ffmpeg: libsndfile would not read it to its end.
    """

    start: int
    end: int
    samples: Optional[int] = None
    by_ffmpeg: bool = False


@dataclass
class Layout:
    """What there is to read, in order.

    Attributes:
        parts: one, or several where sounds are joined.
        notes: what is odd, in words.
    """

    parts: List[Part] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)

    @property
    def joined(self) -> bool:
        """More than one sound in the file."""
        return len(self.parts) > 1


class Bytes:
    """Bytes of an open file by their places; reading moves nothing."""

    def __init__(self, fd: int, size: int):
        self.fd, self.size = fd, size

    def __call__(self, start: int, n: int) -> bytes:
        """Return up to `n` bytes from `start` on; fewer at the end of the file."""
        if start >= self.size:
            return b""
        return os.pread(self.fd, n, start)


class Window(io.RawIOBase):
    """A part of a file, as a file for libsndfile and PyAV."""

    def __init__(self, fd: int, start: int, end: int):
        self._fd, self._start, self._length, self._at = fd, start, end - start, 0
        self._kept, self._from = b"", 0  # bytes that were read ahead, and their place

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Return where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place inside the part."""
        base = (0, self._at, self._length)[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill `buffer`, as far as the part reaches."""
        n = max(min(len(buffer), self._length - self._at), 0)
        # Decoders ask for a few bytes at a time, and look for the end in between, at
        # which io.BufferedReader would drop what it has.
        if not self._from <= self._at <= self._at + n <= self._from + len(self._kept):
            ahead = min(max(n, 1 << 16), self._length - self._at)
            self._kept = os.pread(self._fd, max(ahead, 0), self._start + self._at)
            self._from = self._at
        place = self._at - self._from
        block = self._kept[place : place + n]
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def cut_off(there: int, promised: int, what: str = "bytes of samples") -> Broken:
    """Return the complaint of a file that ends before its header says."""
    return Broken(
        f"cut off, {there} of {promised} {what} are there; copy or make it again"
    )


def tail_note(tail: bytes, n: int) -> Optional[str]:
    """Return what to say of `n` bytes behind the sound, of which `tail` are the first.

    Of tags, zeros that fill up a block and a few stray bytes nothing is said.
    """
    if n < _STRAY or is_tag(tail) or not tail.strip(b"\0"):
        return None
    return f"{n} bytes behind the samples are no sound that its header tells of"


def is_tag(head: bytes) -> bool:
    """Tell whether a tag begins here: ID3 version 1 or 2, APE, Lyrics3."""
    return head.startswith((b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN"))


def id3_length(head: bytes) -> int:
    """Return the length of the ID3v2 tag that `head` (10 bytes) begins, or 0."""
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte
    return 10 + length + (10 if head[5] & 0x10 else 0)
