"""The file of an exported model around its record: written, and found undamaged."""

import mmap
import zlib
from dataclasses import replace
from pathlib import Path
from typing import List, Tuple, Union

from espnet2_distilmos.packs.onnx_record import KEY, OnnxRecord, read_record
from espnet2_distilmos.packs.protobuf import Reader, head
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path


def _without_record(data: Union[bytes, mmap.mmap]) -> List[Tuple[int, int]]:
    """Return start and end of the parts of a file that are not our record."""
    reader, parts, begin = Reader(data), [], 0
    for number, _, a, b in reader.fields(0, len(data)):
        if number != 14 or dict(reader.texts(a, b, (1, 2))).get(1) != KEY:
            parts.append((begin, b))
        begin = b
    return parts


def graph_crc32(path: PathLike) -> int:
    """Return the CRC-32 of all of a model's file but our record.

    It finds a flipped bit, or a block that the disk has lost, in a third of the time of
    a SHA-256; whoever changes the graph on purpose can change the record, too.

    Args:
        path: the file, which has been looked over
            (:func:`espnet2_distilmos.packs.onnx_scan.scan_onnx`).
    """
    found = 0
    with open(path, "rb") as f:
        with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
            with memoryview(data) as view:
                for a, b in _without_record(data):
                    with view[a:b] as part:
                        found = zlib.crc32(part, found)
    return found


def require_undamaged(path: PathLike, record: OnnxRecord) -> None:
    """Refuse a file whose graph or weights are not those that were written.

    Args:
        path: the file, which has been looked over (:func:`.onnx_record.read_record`).
        record: its record; where that has no CRC, nothing is compared.

    Raises:
        UserError: they are not.
    """
    if record.graph_crc32 not in (None, graph_crc32(path)):
        raise UserError(
            f"{path}: damaged, its weights are not those that were written; get it "
            "again, or export the model again"
        )


def write_record(source: PathLike, record: OnnxRecord, target: PathLike) -> OnnxRecord:
    """Write a copy of a model with another record, or with its first.

    Args:
        source: the file of a graph.
        record: what the copy says of itself; the CRC is added.
        target: file to write.

    Returns:
        The record as written.

    Raises:
        UserError: `record` has the CRC of another graph: the source is damaged.
    """
    require_undamaged(source, record)
    record = replace(record, graph_crc32=graph_crc32(source))
    data = Path(source).read_bytes()
    texts = [text.encode() for text in (KEY, record.to_text())]
    entry = b"".join(head(i, len(x)) + x for i, x in enumerate(texts, 1))
    parts = [data[a:b] for a, b in _without_record(data)]
    with atomic_path(target) as tmp:
        tmp.write_bytes(b"".join([*parts, head(14, len(entry)), entry]))
        # It has to pass what every file has to that is scored with.
        read_record(tmp)
    return record
