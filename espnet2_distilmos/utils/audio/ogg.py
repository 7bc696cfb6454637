"""Ogg files (RFC 3533): every page is looked at, none is decoded."""

import struct
from typing import Dict, Set

from espnet2_distilmos.utils.audio.layout import Layout, Part, is_tag

_FIRST, _LAST = 2, 4


def scan_ogg(data, size: int) -> Layout:
    """Return where the streams of an Ogg file lie.

    Streams one after the other ("chained") are parts; it is noted where several run at
    once, where pages are missing, and where the last one is.

    Args:
        data: the file's bytes; anything with slices and `find`.
        size: how many.
    """
    layout = Layout()
    numbers: Dict[int, int] = {}  # stream -> number of its last page
    running: Set[int] = set()
    at, start, headers, damaged, broken_off = 0, 0, True, False, False
    several = 0
    while at + 27 <= size:
        if data[at : at + 4] != b"OggS":
            found = data.find(b"OggS", at + 1)
            if found < 0:
                damaged |= not (is_tag(data[at : at + 16]) or not any(data[at:size]))
                break
            damaged, at = True, found
            continue
        flags, serial, number = struct.unpack_from("<5xB8xII", data, at)
        n_lacing = data[at + 26]
        lacing = data[at + 27 : at + 27 + n_lacing]
        end = at + 27 + n_lacing + sum(lacing)
        if len(lacing) < n_lacing or end > size:
            broken_off = True
            break
        if flags & _FIRST:
            if not headers:  # a new sound begins
                layout.parts.append(Part(start, at))
                broken_off |= bool(running)
                start, headers = at, True
                numbers.clear()
                running.clear()
            running.add(serial)
            several = max(several, len(running))
        else:
            headers = False
            damaged |= serial in numbers and number != numbers[serial] + 1
        numbers[serial] = number
        if flags & _LAST:
            running.discard(serial)
        at = end
    layout.parts.append(Part(start, size))
    if broken_off or running:
        layout.notes.append("cut off: an Ogg stream without its end")
    if damaged:
        layout.notes.append("damaged: pages of the Ogg stream are missing or broken")
    if several > 1:
        layout.notes.append(f"{several} Ogg streams at once; the first sound is taken")
    return layout
