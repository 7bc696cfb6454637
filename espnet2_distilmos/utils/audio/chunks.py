"""Files of chunks (WAV, RF64, W64, AIFF, CAF) and of one header (AU, NIST SPHERE)."""

import re
import struct
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from espnet2_distilmos.utils.audio.layout import (
    ENDLESS,
    Broken,
    Bytes,
    Layout,
    Part,
    cut_off,
    tail_note,
)

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_W64_FMT = b"fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
# Other sounds begin so, no chunk.
_SOUNDS = (b"OggS", b"fLaC", b"FORM", b"RIFF", b"RF64", b"RIFX", b"caff", b".snd")
# Format tags of WAV whose blocks are single samples of all channels.
_PLAIN = (1, 3, 6, 7, 0xFFFE)
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


@dataclass(frozen=True)
class _Form:
    """How a family of formats writes its chunks.

    Attributes:
        magics: first bytes of a file.
        header: bytes before the first chunk.
        chunk: struct format of a chunk's ID and length.
        data: ID of the chunk of samples.
        own: bytes of the data chunk that are no samples.
        align: chunks begin at multiples of this.
        counts_itself: a chunk's length takes in its own ID and length.
    """

    magics: Tuple[bytes, ...]
    header: int
    chunk: str
    data: bytes
    own: int = 0
    align: int = 2
    counts_itself: bool = False


_RIFF = _Form((b"RIFF", b"RF64"), 12, "<4sI", b"data")
_RIFX = _Form((b"RIFX",), 12, ">4sI", b"data")
_FORMS = (
    _RIFF,
    _RIFX,
    _Form((_W64_RIFF,), 40, "<16sQ", _W64_DATA, align=8, counts_itself=True),
    _Form((b"FORM",), 12, ">4sI", b"SSND", own=8),
    _Form((b"caff",), 8, ">4sQ", b"data", own=4, align=1),
)


def scan_chunks(read: Bytes) -> Optional[Layout]:
    """Return where the sounds of a file of chunks lie; None if it is no such file.

    Raises:
        Broken: cut off.
    """
    form = next((f for f in _FORMS if read(0, 16).startswith(f.magics)), None)
    if form is None:
        return None
    layout, start = Layout(), 0
    while True:
        end, rest = _scan_one(read, form, start)
        if rest is None:
            layout.parts.append(Part(start, end))
            break
        layout.parts.append(Part(start, rest))
        if not read(rest, 16).startswith(form.magics):
            note = tail_note(read(rest, 4096), read.size - rest)
            layout.notes.extend([note] if note else [])
            break
        start = rest
    return layout


def _scan_one(read: Bytes, form: _Form, start: int) -> Tuple[int, Optional[int]]:
    """End of the sound that begins at `start`, and where something else follows it.

    The end is that of the file where nothing follows (then the second is None).
    """
    size = struct.calcsize(form.chunk)
    known: Dict[str, int] = {}
    at, has_data = start + form.header, False
    while len(head := read(at, size)) == size:
        if has_data and head.startswith(form.magics):
            return at, at
        name, n = struct.unpack(form.chunk, head)
        # Written without the byte that makes its length even?
        if has_data and at > start and read(at - 1, 16).startswith(form.magics):
            return at - 1, at - 1
        n = n - size if form.counts_itself else n
        body = at + size
        if name == form.data or (name == b"BODY" and form.data == b"SSND"):
            own = form.own if name == form.data else 0
            if name == b"data" and n == 0xFFFFFFFF and "data" in known:
                n = known["data"]
            elif n >= 2**63 or (n >= ENDLESS and body + n > read.size):
                return read.size, None  # whatever there is
            there = read.size - body
            if n == 0 < there and read(start + 4, 4) == bytes(4):
                raise Broken(
                    f"its header tells no length, and {there} bytes follow (was the "
                    "recorder killed?); open and save it with an audio editor"
                )
            if n - there >= known.get("frame", 1):
                raise cut_off(max(there - own, 0), n - own)
            has_data = True
        elif not has_data:
            _learn(name, read(body, min(n, 64)) if n >= 0 else b"", known)
        elif not _is_name(name) or n < 0 or body + n > read.size + 1:
            return at, at
        if n < 0:
            raise Broken("its header is damaged (a chunk of negative length)")
        at = body + n
        at += -(at - start) % form.align
    if at < read.size and has_data and read(at, size):
        return at, at
    return read.size, None


def _is_name(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name[:4]) and name[:4] not in _SOUNDS


def _learn(name: bytes, body: bytes, known: Dict[str, int]) -> None:
    """Keep the bytes of one sample of all channels, and the length of the data."""
    if name == b"ds64" and len(body) >= 16:
        known["data"] = struct.unpack_from("<Q", body, 8)[0]
    elif name in (b"fmt ", _W64_FMT) and len(body) >= 14:
        tag, _, _, _, block = struct.unpack_from("<HHIIH", body)
        known["frame"] = max(block, 1) if tag in _PLAIN else 1
    elif name == b"COMM" and len(body) >= 8:
        channels, _, bits = struct.unpack_from(">HIH", body)
        if body[18:22] in (b"", b"NONE", b"sowt", b"twos", b"fl32", b"FL32"):
            known["frame"] = max(channels * ((bits + 7) // 8), 1)
    elif name == b"desc" and len(body) >= 20:
        known["frame"] = max(struct.unpack_from(">I", body, 16)[0], 1)


def scan_header(read: Bytes) -> Optional[Layout]:
    """Return the same for files of one header and samples: AU and NIST SPHERE."""
    layout, start = Layout(), 0
    while True:
        told = _au(read(start, 24)) or _nist(read(start, 1024))
        if told is None:
            if start == 0:
                return None
            note = tail_note(read(start, 4096), read.size - start)
            layout.notes.extend([note] if note else [])
            return layout
        header, data, frame = told
        there = read.size - start - header
        if data is None or data >= ENDLESS > there:
            layout.parts.append(Part(start, read.size))
            return layout
        if data - there >= frame:
            raise cut_off(max(there, 0), data)
        layout.parts.append(Part(start, min(start + header + data, read.size)))
        start = layout.parts[-1].end
        if start == read.size:
            return layout


def _au(head: bytes) -> Optional[Tuple[int, Optional[int], int]]:
    """Return bytes of header, samples (None: all there are) and one sample."""
    if len(head) < 24 or head[:4] not in (b".snd", b"dns."):
        return None
    order = ">" if head[:4] == b".snd" else "<"
    header, data, encoding, _, channels = struct.unpack(order + "5I", head[4:])
    frame = _AU_BYTES.get(encoding, 0) * channels
    return header, None if data == 0xFFFFFFFF else data, max(frame, 1)


def _nist(head: bytes) -> Optional[Tuple[int, Optional[int], int]]:
    if not head.startswith(b"NIST_1A\n"):
        return None
    values = dict(re.findall(rb"^(\w+) -\w+ (\S+)", head, re.M))
    try:
        header = int(head[8:16])
        frame = int(values[b"sample_n_bytes"]) * int(values[b"channel_count"])
        return header, int(values[b"sample_count"]) * frame, max(frame, 1)
    except (KeyError, ValueError):
        return None
