"""FLAC (RFC 9639): streams behind each other, and frames that the header leaves out."""

from typing import Optional, Tuple

from espnet2_distilmos.utils.audio.layout import Layout, Part

_STRAY = 16  # zeros at the end of a file that was filled up
_TAIL = 1 << 20  # bytes in which the last frame begins; the largest usual one has 64 kB


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ (0x107 if crc & 0x80 else 0)
    return crc


def scan_flac(data, size: int, at: int = 0) -> Layout:
    """Return where the streams of a FLAC file lie.

    A stream whose header tells no length, or a shorter one than its last frame, is left
    to FFmpeg: libsndfile reads as far as the header says.

    Args:
        data: the file's bytes; anything with slices, `find` and `rfind`.
        size: how many.
        at: where the first stream begins, behind a tag.
    """
    starts = [at]
    while (at := data.find(b"fLaC", at + 4)) >= 0:
        # STREAMINFO, 34 bytes, comes first: no four bytes of chance are taken for it.
        if data[at + 4 : at + 5] in (b"\0", b"\x80") and data[at + 5 : at + 8] == (
            b"\0\0\x22"
        ):
            starts.append(at)
    layout = Layout()
    for start, end in zip(starts, [*starts[1:], size]):
        told = int.from_bytes(data[start + 21 : start + 26], "big") & (1 << 36) - 1
        found, last = _last_frame(data, start, end)
        more = told == 0 or (found is not None and found > told)
        layout.parts.append(Part(start, end, by_ffmpeg=more))
        largest = int.from_bytes(data[start + 15 : start + 18], "big")
        rest = end - last - largest
        if told and largest and rest > 0 and not _tags(data, last, end):
            layout.notes.append(f"{rest} bytes behind the last frame are no FLAC")
    layout.parts[0].start = 0  # with its tag
    return layout


def _tags(data, start: int, end: int) -> bool:
    """Tell whether what follows the last frame is zeros or tags of other formats."""
    tail = data[max(start, end - _TAIL) : end]
    return any(tag in tail for tag in (b"APETAGEX", b"ID3")) or (
        tail[-128:-125] == b"TAG" or not tail[-_STRAY:].strip(b"\0")
    )


def _last_frame(data, start: int, end: int) -> Tuple[Optional[int], int]:
    """Return the samples up to the last frame's end by its header, its first byte.

    None where none is found in the last megabyte.
    """
    low = max(start + 42, end - _TAIL)
    block = int.from_bytes(data[start + 10 : start + 12], "big")
    at = end
    while (at := data.rfind(b"\xff", low, at)) >= low:
        head = bytes(data[at : at + 16])
        if len(head) > 5 and head[1] in (0xF8, 0xF9):
            found = _frame(head, block)
            if found is not None:
                return found, at
    return None, low


def _frame(head: bytes, block: int) -> Optional[int]:
    """Return the samples up to the end of the frame that `head` begins, or None."""
    size, rate = head[2] >> 4, head[2] & 15
    if not size or rate == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return None
    number, at = _number(head, 4)
    if number is None:
        return None
    if size == 1:
        n = 192
    elif size <= 5:
        n = 576 << (size - 2)
    elif size <= 7:
        width = size - 5
        n = int.from_bytes(head[at : at + width], "big") + 1
        at += width
    else:
        n = 256 << (size - 8)
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    return number + n if head[1] & 1 else number * block + n


def _number(head: bytes, at: int) -> Tuple[Optional[int], int]:
    """Return a number written as UTF-8 writes letters, and the place behind it."""
    first = head[at]
    if first < 0x80:
        return first, at + 1
    width = 8 - (first ^ 0xFF).bit_length()  # leading ones
    if not 2 <= width <= 7:
        return None, at
    number = first & (0x7F >> width)
    for byte in head[at + 1 : at + width]:
        if byte & 0xC0 != 0x80:
            return None, at
        number = number << 6 | byte & 0x3F
    return number, at + width
