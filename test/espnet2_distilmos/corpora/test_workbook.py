"""The reader of Excel's workbooks."""

import pytest
from listening_tests import with_part, workbook

from espnet2_distilmos.corpora.workbook import read_sheets
from espnet2_distilmos.utils.errors import UserError


def test_workbook(tmp_path):
    path = tmp_path / "a.xlsx"
    table = [["x", "y & <z>", 3.5], ["", "", ""], ["", "b", 1], [2, "", "x"]]
    path.write_bytes(workbook({"first": [["x"]], "A sheet": table}))
    assert read_sheets(path, ("x",), ["A sheet", "none"]) == {
        "A sheet": [
            (f"{path}:A sheet:3", {"x": "", "y & <z>": "b", "3.5": "1"}),
            (f"{path}:A sheet:4", {"x": "2", "y & <z>": "", "3.5": "x"}),
        ]
    }
    with pytest.raises(UserError, match="a.xlsx:first: has no rows"):
        read_sheets(path, (), ["first"])
    # As other programs write text: in the cell, and in pieces of different looks.
    cells = "".join(
        f'<c r="A{r}" t="inlineStr"><is><r><t>{t}</t></r><r><t>!</t></r></is></c>'
        for r, t in enumerate(("name", "value"), 1)
    )
    rows = cells.replace("<c", "<row><c").replace("</c>", "</c></row>")
    inline = f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    path.write_bytes(
        with_part(workbook({"s": [["x"]]}), "xl/worksheets/sheet3.xml", inline)
    )
    assert read_sheets(path, ("name!",), ["s"])["s"] == [
        (f"{path}:s:2", {"name!": "value!"})
    ]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><worksheet>&c;'


SHEET = "<worksheet><sheetData><row>{}</row></sheetData></worksheet>"


@pytest.mark.parametrize(
    "text, reason",
    [
        (f"{BOMB}</worksheet>", "a document type"),
        (f"{BOMB}</worksheet>".encode("utf-16"), "a document type"),
        ("<worksheet>", "no element found"),
        (" " * 20_000_001, "sheet3.xml is larger than 20 MB"),
        (SHEET.format('<c t="s"><v>0</v></c>'), "does not say where it is"),
        (SHEET.format('<c r="A1" t="s"><v>-1</v></c>'), "no number of a shared string"),
        (SHEET.format('<c r="A1" t="s"><v>99</v></c>'), "index out of range"),
    ],
)
def test_a_hostile_workbook_is_refused(tmp_path, text, reason):
    path = tmp_path / "a.xlsx"
    content = workbook({"s": [["x"], ["y"]]})
    path.write_bytes(with_part(content, "xl/worksheets/sheet3.xml", text))
    with pytest.raises(UserError, match=f"not an Excel workbook, .xlsx.*{reason}") as e:
        read_sheets(path, (), ["s"])
    assert "\n" not in str(e.value)


def test_what_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    with pytest.raises(UserError, match="cannot be read"):
        read_sheets(path, (), ["s"])
    whole = workbook({"s": [["x"], ["y"]]})
    for content in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not an Excel workbook"):
            read_sheets(path, (), ["s"])
