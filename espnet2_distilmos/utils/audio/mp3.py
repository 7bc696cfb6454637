"""MPEG audio (layers I to III): frame by frame, none is decoded."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from espnet2_distilmos.utils.audio.layout import Layout, Part, id3_length, is_tag

_RATES = (44100, 48000, 32000)
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBITS[2, 3] = _KBITS[2, 2]
# A decoder may give up so many frames at either end, for its delay and the padding.
_MARGIN = 4


@dataclass(frozen=True)
class _Frame:
    """What a frame's header tells; `kind` is what must stay within one sound."""

    length: int
    samples: int
    kind: Tuple[int, int, int, bool]  # version, layer, rate, mono


# Header's bytes -> frame; there are few different ones.
_frames: Dict[bytes, Optional[_Frame]] = {}


def _frame(head: bytes) -> Optional[_Frame]:
    """Return the frame that four bytes begin, or None."""
    if head not in _frames:
        if len(_frames) > 4096:
            _frames.clear()
        _frames[head] = _parse(head)
    return _frames[head]


def _parse(head: bytes) -> Optional[_Frame]:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version = (2.5, None, 2, 1)[head[1] >> 3 & 3]
    layer = 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version is None or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    kbits = _KBITS[1 if version == 1 else 2, layer][bitrate - 1]
    hz = _RATES[rate] // {1: 1, 2: 2, 2.5: 4}[version]
    padding, mono = head[2] >> 1 & 1, head[3] >> 6 == 3
    if layer == 1:
        length, samples = (12 * kbits * 1000 // hz + padding) * 4, 384
    else:
        samples = 576 if layer == 3 and version != 1 else 1152
        length = samples // 8 * kbits * 1000 // hz + padding
    return _Frame(length, samples, (int(2 * version), layer, hz, mono))


@dataclass
class _Info:
    """The first frame of many files (Xing, Info): frames and bytes of the sound."""

    frames: Optional[int]
    n_bytes: Optional[int]


def _info(frame: bytes, kind) -> Optional[_Info]:
    side = (17 if kind[3] else 32) if kind[0] == 2 else (9 if kind[3] else 17)
    place = 4 + side + (0 if frame[1] & 1 else 2)
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags, at = frame[place + 7], place + 8
    values: List[Optional[int]] = []
    for bit in (1, 2):
        values.append(
            int.from_bytes(frame[at : at + 4], "big") if flags & bit else None
        )
        at += 4 if flags & bit else 0
    return _Info(*values)


def scan_mp3(data, size: int) -> Optional[Layout]:
    """Return where the sounds of an MPEG audio file lie; None if it is none.

    Files one after the other are parts: where another begins with tags or with an Info
    frame, where the frames end that an Info frame counts, and where sampling rate or
    channels change.

    Args:
        data: the file's bytes; anything with slices and `find`.
        size: how many.
    """
    at = 0
    while n := id3_length(data[at : at + 10]):
        at += n
    first = _frame(bytes(data[at : at + 4]))
    if first is None or not _goes_on(data, size, at, first):
        return None
    if layout := _as_told(data, size, at, first):
        return layout
    return _walk(data, size, at)


def _goes_on(data, size: int, at: int, frame: _Frame) -> bool:
    """Tell whether another frame, a tag or the end follows."""
    after = at + frame.length
    return (
        after >= size
        or _frame(bytes(data[after : after + 4])) is not None
        or is_tag(data[after : after + 16])
    )


def _as_told(data, size: int, at: int, first: _Frame) -> Optional[Layout]:
    """Return the layout, where the Info frame counts the bytes that are there."""
    info = _info(data[at : at + first.length], first.kind)
    if info is None or not info.n_bytes or not info.frames:
        return None
    end = at + info.n_bytes
    if end > size or not (
        end == size
        or data[end : end + 3] == b"TAG" == data[-128:-125]
        and end == size - 128
    ):
        return None
    return Layout([Part(0, size, info.frames * first.samples)])


def _walk(data, size: int, at: int) -> Layout:
    layout = Layout()
    start, n, samples, kind = 0, 0, 0, None
    info: Optional[_Info] = None
    junk = 0
    short = broken_off = False

    def finish(end: int) -> None:
        nonlocal short
        if n == 0:  # nothing but tags, or an Info frame
            return
        short |= bool(info and info.frames and n < info.frames)
        layout.parts.append(Part(start, end, samples))

    while at < size:
        frame = _frame(bytes(data[at : at + 4]))
        if frame is not None and kind not in (None, frame.kind):
            # Another kind of sound has more than one frame: one alone is damage.
            other = _frame(bytes(data[at + frame.length : at + frame.length + 4]))
            frame = frame if other and other.kind == frame.kind else None
        if frame is None:
            tag = id3_length(data[at : at + 10])
            if tag:
                finish(at)
                start, n, samples, info, kind = at, 0, 0, None, None
                at += tag
                continue
            if is_tag(data[at : at + 16]) or _zeros(data, size, at):
                tail = _next_sound(data, size, at)
                if tail is None:
                    break
                at = tail
                continue
            after = _next_sound(data, size, at)
            junk += (size if after is None else after) - at
            if after is None:
                break
            at = after
            continue
        if at + frame.length > size:
            broken_off = True
            break
        begins = _info(data[at : at + frame.length], frame.kind)
        ends = info is not None and info.frames and n >= info.frames
        if begins is not None or ends or (kind is not None and frame.kind != kind):
            finish(at)
            if layout.parts:
                start = at
            n, samples, info = 0, 0, begins
        kind = frame.kind
        if begins is None:
            n, samples = n + 1, samples + frame.samples
        at += frame.length
    finish(size)
    if not layout.parts:
        layout.parts.append(Part(0, size))
    if short or broken_off:
        layout.notes.append(
            "cut off: an MP3 that ends before its header says"
            if short
            else "cut off: an MP3 that ends within a frame"
        )
    if junk > 1024:
        layout.notes.append(f"damaged: {junk} bytes of the MP3 are no frames")
    return layout


def _zeros(data, size: int, at: int) -> bool:
    """Tell whether nothing but zeros follows."""
    # The start first: a copy of all that follows, at every fault, would take for ever.
    return not any(data[at : at + 4096]) and not data[at:size].strip(b"\0")


def _next_sound(data, size: int, at: int) -> Optional[int]:
    """Return where the next frame or tag begins behind what is neither, or None."""
    found = at
    while 0 <= (found := data.find(b"\xff", found + 1)) < size - 4:
        frame = _frame(bytes(data[found : found + 4]))
        after = found + (frame.length if frame else 0)
        if frame and after < size and _frame(bytes(data[after : after + 4])):
            break
    else:
        found = -1
    tag = data.find(b"ID3", at + 1, size if found < 0 else found)
    if tag >= 0 and id3_length(data[tag : tag + 10]) and (found < 0 or tag < found):
        return tag
    return None if found < 0 else found
