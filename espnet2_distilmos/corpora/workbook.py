"""Sheets of an Excel workbook (.xlsx) as tables: text and numbers, nothing else.

A workbook is a zip of XML (ECMA-376). The usual package for it, openpyxl, leaves XML
that expands without end to another package, and the size of what is unpacked to its
caller: a corpus from elsewhere would need two packages, and the checks below as well.
"""

import posixpath
import re
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.corpora.tables import Row
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Bytes of one part after unpacking: some hundred times the largest sheet of a corpus.
LARGEST_PART = 20_000_000
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# The same in workbooks of the strict form.
_STRICT_ID = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"


class _NoDoctype(ET.TreeBuilder):
    """Refuses a document type: the place of entities, which a workbook never has."""

    def doctype(self, name: str, pubid: str, system: str) -> None:
        raise ValueError("XML with a document type")


def read_sheets(
    path: PathLike, needed: Sequence[str], sheets: Sequence[str]
) -> Dict[str, List[Row]]:
    """Read some sheets whose first row has the names of the columns.

    Args:
        path: the workbook.
        needed: columns that each of the sheets must have.
        sheets: their names.

    Returns:
        Sheet -> (FILE:SHEET:ROW, column -> text) of each row that is not empty; cells
        that are not there are empty text. Sheets that the workbook lacks are left out.

    Raises:
        UserError: unreadable, no workbook, a part of it that is too large or not plain
            XML, a sheet without rows, or a column that is not there.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            places = _sheets(archive)
            found = {name: places[name] for name in sheets if name in places}
            shared = _shared_strings(archive) if found else []
            return {
                name: _table(f"{path}:{name}", _part(archive, part), shared, needed)
                for name, part in found.items()
            }
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror or e})") from e
    except (
        *(ValueError, LookupError, ET.ParseError, EOFError, zlib.error),
        *(zipfile.BadZipFile, NotImplementedError, RuntimeError),  # ways of packing
    ) as e:
        text = " ".join(str(e).split())
        raise UserError(f"{path}: not an Excel workbook, .xlsx ({text[:200]})") from e


def _part(archive: zipfile.ZipFile, name: str) -> ET.Element:
    with archive.open(name) as f:
        # What the archive says of its size need not be true.
        content = f.read(LARGEST_PART + 1)
    if len(content) > LARGEST_PART:
        raise ValueError(f"{name} is larger than {LARGEST_PART // 1_000_000} MB")
    parser = ET.XMLParser(target=_NoDoctype())
    parser.feed(content)
    return parser.close()


def _sheets(archive: zipfile.ZipFile) -> Dict[str, str]:
    """Return name of the sheet -> name of its part."""
    links = _part(archive, "xl/_rels/workbook.xml.rels")
    targets = {
        link.get("Id"): posixpath.normpath(
            posixpath.join("/xl", link.get("Target") or "")
        ).lstrip("/")
        for link in links.findall("{*}Relationship")
    }
    book = _part(archive, "xl/workbook.xml")
    return {
        sheet.get("name") or "": targets[sheet.get(_ID) or sheet.get(_STRICT_ID)]
        for sheet in book.findall("{*}sheets/{*}sheet")
    }


def _shared_strings(archive: zipfile.ZipFile) -> List[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    part = _part(archive, "xl/sharedStrings.xml")
    return [_text(item) for item in part.findall("{*}si")]


def _text(item: ET.Element) -> str:
    """Return the text of a string item: plain, or of pieces of different looks."""
    pieces = item.findall("{*}t") + item.findall("{*}r/{*}t")
    return "".join(piece.text or "" for piece in pieces)


def _cells(row: ET.Element, shared: Sequence[str]) -> Iterator[Tuple[str, str]]:
    """Yield the column's letters and the text of each cell that has some."""
    for cell in row.findall("{*}c"):
        column = re.match("[A-Z]+", cell.get("r") or "")
        if column is None:
            raise ValueError("a cell that does not say where it is")
        kind, value = cell.get("t"), cell.findtext("{*}v") or ""
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            value = "" if inline is None else _text(inline)
        elif kind == "s":
            if not value.isdecimal():
                raise ValueError(f"{value!r} is no number of a shared string")
            value = shared[int(value)]
        if value.strip():
            yield column.group(), value.strip()


def _table(
    where: str, sheet: ET.Element, shared: Sequence[str], needed: Sequence[str]
) -> List[Row]:
    rows: List[Row] = []
    names: Dict[str, str] = {}  # column's letters -> name
    for number, row in enumerate(sheet.findall("{*}sheetData/{*}row"), 1):
        cells = dict(_cells(row, shared))
        at = f"{where}:{row.get('r') or number}"
        if not cells:
            continue
        if names:
            texts = {name: cells.get(column, "") for column, name in names.items()}
            rows.append((at, texts))
            continue
        names = cells
        absent = [c for c in needed if c not in names.values()]
        if absent:
            raise UserError(
                f"{at}: no column {', '.join(absent)} in the header; there are "
                f"{', '.join(names.values())}"
            )
    if not rows:
        raise UserError(f"{where}: has no rows")
    return rows
