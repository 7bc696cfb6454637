"""Miniatures of listening tests that lie in repositories: P.835, MUSHRA of codecs."""

import io
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import soundfile

P835_HEADER = (
    "file_url,short_file_name,condition_num,n votes,MOS_BAK,std_bak,95%CI_bak,MOS_SIG,"
    "std_sig,95%CI_sig,MOS_OVRL,std_ovrl,95%CI_ovrl"
).split(",")
SHEETS = {
    "Fullband-results per file": ("degraded_fullband_48KHz", 48000),
    "16KHzWB-results per file": ("degraded_WB_16KHz", 16000),
}
CODECS = {
    "Proposed 1.38": "prop_13", "Proposed 1.38 16kHz": "prop_13_16k",
    "Proposed 5.51": "prop_55", "Proposed 5.51 16kHz": "prop_55_16k",
    "Lyra 3": "lyra_32", "Lyra 6": "lyra_6", "AudioDec": "audiodec_8",
    "Reference": "ref", "Anchor": "",
}  # fmt: skip
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PARTS = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(sheets: dict[str, Sequence[Sequence]]) -> bytes:
    """An .xlsx as Excel writes it: text is shared, numbers are not, empty cells are
    left out, and parts are not numbered like sheets."""
    shared: list[str] = []
    parts = {}
    for n, rows in enumerate(sheets.values()):
        lines = []
        for r, row in enumerate(rows, 1):
            cells = []
            for c, value in enumerate(row):
                at = f"{chr(ord('A') + c)}{r}"
                if isinstance(value, str):
                    if value not in shared:
                        shared.append(value)
                    text = f' t="s"><v>{shared.index(value)}</v>'
                else:
                    text = f"><v>{value!r}</v>"
                cells += [] if value == "" else [f'<c r="{at}" s="5"{text}</c>']
            lines.append(f'<row r="{r}">{"".join(cells)}</row>')
        body = f"<sheetData>{''.join(lines)}</sheetData>"
        parts[f"xl/worksheets/sheet{n + 3}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><cols/>{body}</worksheet>'
        )
    named = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n + 7}" r:id="rId{n + 1}"/>'
        for n, name in enumerate(sheets)
    )
    links = "".join(
        f'<Relationship Id="rId{n + 1}" Target="{part.removeprefix("xl/")}"/>'
        for n, part in enumerate(parts)
    )
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>{named}</sheets>'
        "</workbook>"
    )
    parts["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{_PARTS}">{links}</Relationships>'
    )
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in shared)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{items}</sst>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), f'<?xml version="1.0"?>\n{text}')
    return out.getvalue()


def with_part(content: bytes, name: str, text) -> bytes:
    """A workbook with another part, text or bytes, in the place of its own."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for item in old.namelist():
            new.writestr(item, text if item == name else old.read(item))
    return out.getvalue()


def p835(make) -> None:
    """P.835: 13 conditions of two talkers in two bands; c0 is the same files in both.

    Args:
        make: a `miniatures.Maker`.
    """
    from miniatures import systems

    of_condition = sorted(systems(13), key=lambda s: -s.quality)
    top = "p835_reference_conditions"
    tables = {"description": [["Title", "made up"]]}
    for sheet, (folder, rate) in SHEETS.items():
        tables[sheet] = [P835_HEADER]
        for condition, system in enumerate(of_condition):
            for talker in ("f1", "m1"):
                name = f"c{condition}_{talker}.wav"
                path = f"{top}/{folder}/{name}"
                if rate == 16000 and condition == 0:
                    source = make.folder / top / "degraded_fullband_48KHz" / name
                    target = make.folder / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, target)
                else:
                    make.wav(path, system, rate=rate, level=-26)
                quality = np.clip(make.rng.normal(system.quality, 0.2, 3), 1, 5)
                bak, sig, ovrl = (float(x) for x in quality)
                url = f"https://example.org/{name}"
                tables[sheet].append(
                    [url, name, condition, 7, bak, 0.5, 0.4, sig, 0.5, 0.4, ovrl, 0.5]
                    + [0.4]
                )
    path = make.folder / top / "CSP835_Ref_Conditions.xlsx"
    path.write_bytes(workbook(tables))
    make.text("LICENSE", "of a miniature\n")


def codec_mushra(make) -> None:
    """MUSHRA: 24 kHz, two equal channels; anchors without file; 0 to 100.

    Args:
        make: a `miniatures.Maker`.
    """
    from miniatures import systems

    rows = []
    of_condition = dict(zip(CODECS, systems(len(CODECS))))
    signals = ("VCTK_p229_293", "TSP_FB07_09", "TSP_MG37_08")
    for n, signal in enumerate(signals, 1):
        listeners = [1 + (n + 2 * i) % 7 for i in range(4)]
        for condition, name in CODECS.items():
            quality = 25 * (of_condition[condition].quality - 1)
            scores = np.clip(np.round(make.rng.normal(quality, 9, 4)), 0, 100).tolist()
            file = f"stim_{n:02d}/{name}.wav" if name else ""
            rows.append((signal, condition, scores, listeners, file))
            if name:
                path = f"mushra_results_dataset/audio/{file}"
                make.wav(path, of_condition[condition], rate=24000)
                _twice(make.folder / path)
    header = ("signal", "condition", "ratings", "participant_ids", "file")
    make.table("mushra_results_dataset/ratings_formated.csv", rows, header)
    make.text("mushra_results_dataset/attribution.md", "A miniature.\n")


def _twice(path: Path) -> None:
    """Make a second channel, the same as the first."""
    x, rate = soundfile.read(path)
    soundfile.write(path, np.stack([x, x], 1), rate, subtype="PCM_16")
