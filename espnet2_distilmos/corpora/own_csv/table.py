"""Reading the CSV: every row is either good or named with its line."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from espnet2_distilmos.utils.audio import read_recording
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.values import to_label, to_scale_names

REQUIRED = ("wav", "mos")
OPTIONAL = ("system", "split")
SPLITS = {
    **{name: "train" for name in ("train", "training")},
    **{name: "valid" for name in ("valid", "validation", "val", "dev")},
    **{name: "test" for name in ("test", "eval")},
}
# One frame of the upstream; shorter clips have no score.
MIN_SECONDS = 0.025
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """One clip.

    Attributes:
        line: its line in the CSV.
        wav: the audio file, absolute.
        mos: its score, in the units of the CSV.
        system: the system, or None without such a column.
        split: `train`, `valid`, `test`, or None without such a column.
        scores: scale and score, of the further scales that the row has.
    """

    line: int
    wav: Path
    mos: float
    system: Optional[str] = None
    split: Optional[str] = None
    scores: Tuple[Tuple[str, float], ...] = ()


@dataclass
class Table:
    """What a CSV holds.

    Attributes:
        rows: the good rows.
        problems: (line, what is wrong with it), by line.
        unused: names of columns that mean nothing here.
        columns: those that do.
        odd: (line, what is odd about its audio), of good rows, by line.
    """

    rows: List[Row] = field(default_factory=list)
    problems: List[Tuple[int, str]] = field(default_factory=list)
    unused: List[str] = field(default_factory=list)
    columns: List[str] = field(default_factory=list)
    odd: List[Tuple[int, str]] = field(default_factory=list)


def read_table(
    path: PathLike,
    scale: Tuple[float, float] = (1.0, 5.0),
    scales: Sequence[str] = (),
) -> Table:
    """Read and check a CSV.

    UTF-8 with or without byte order mark; comma, semicolon or tab, as the header has
    it; any line ends; fields in double quotes or not; blank lines are passed over.
    Names of columns and splits may be in capitals. Paths are relative to the CSV.

    Args:
        path: the CSV; its first line names the columns.
        scale: lowest and highest score that there can be.
        scales: columns that are further scales, with the same ends. A field of theirs
            may be empty.

    Raises:
        UserError: the file cannot be read, is no such table, or has no rows at all.
    """
    path = Path(path)
    try:
        to_scale_names(scales)
    except ValueError as e:
        raise UserError(f"--scales: {e}") from e
    lines = _lines(_text(path), path)
    _, names = next(lines, (0, []))
    columns = _columns(names, path, scales)
    table = Table(
        unused=[n for n in names if n and n.lower() not in columns],
        columns=list(columns),
    )
    seen: Dict[Path, int] = {}
    for line, fields in lines:
        try:
            values = _values(fields, len(names), columns, scales)
            row = _row(line, values, path.resolve().parent, scale, scales)
            if row.wav in seen:
                raise ValueError(
                    f"{row.wav.name} is on line {seen[row.wav]} already; one line a "
                    "clip, with the mean of its ratings"
                )
            seen[row.wav] = line
            table.rows.append(row)
        except ValueError as e:
            table.problems.append((line, str(e)))
    if not table.rows and not table.problems:
        raise UserError(f"{path}: has a header and no clips")
    return table


def check_audio(table: Table) -> Dict[Path, float]:
    """Read all files; move rows whose audio is no good to the problems.

    Formatting reads them again: only good rows can be split, and to hand over what was
    read would cost more than this, 0.4 to 3 s for 1000 clips of 5 s.

    Returns:
        Seconds of each good file.
    """
    seconds: Dict[Path, float] = {}
    for row in table.rows:
        try:
            recording = read_recording(row.wav)
        except UserError as e:
            table.problems.append((row.line, str(e)))
            continue
        length = len(recording.samples) / recording.rate
        if length < MIN_SECONDS:
            text = f"{row.wav}: {length:.3f} s is too short for a score"
            table.problems.append((row.line, text))
            continue
        seconds[row.wav] = length
        if texts := recording.checks.warnings():
            table.odd.append((row.line, f"{row.wav}: {'; '.join(texts)}"))
    table.rows = [row for row in table.rows if row.wav in seconds]
    table.problems.sort()
    return seconds


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = content.count(b"\n", 0, e.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text; save it as 'CSV UTF-8'") from e


def _lines(text: str, path: Path) -> Iterator[Tuple[int, List[str]]]:
    """Yield number and stripped fields of each line that is not blank."""
    header = next((x for x in text.splitlines() if x.strip()), "")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=True,
        strict=True,
    )
    line = 1
    try:
        for fields in reader:
            if any(x.strip() for x in fields):
                yield line, [x.strip() for x in fields]
            line = reader.line_num + 1
    except csv.Error as e:
        raise UserError(
            f"{path}:{line}: not a CSV line ({e}); is a quote left open?"
        ) from e


def _columns(names: Sequence[str], path: Path, scales: Sequence[str]) -> Dict[str, int]:
    """Return column -> its place."""
    lower = [name.lower() for name in names]
    for name in scales:
        if name.lower() in REQUIRED + OPTIONAL:
            raise UserError(f"--scales {name}: this column is something else")
    absent = [name for name in scales if name.lower() not in lower]
    if absent:
        raise UserError(
            f"{path}: --scales {' '.join(absent)}: no such column in: "
            f"{', '.join(names)}"
        )
    missing = [name for name in REQUIRED if name not in lower]
    if missing:
        raise UserError(
            f"{path}: the first line must name the columns (wav,mos and, if there are "
            f"any, system,split); {' and '.join(missing)} not found in: "
            f"{', '.join(names) or 'an empty file'}"
        )
    all_known = (*REQUIRED, *OPTIONAL, *(name.lower() for name in scales))
    known = [name for name in lower if name in all_known]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise UserError(f"{path}: two columns are called {twice[0]}")
    return {name: lower.index(name) for name in known}


def _values(
    fields: List[str], n_columns: int, columns: Dict[str, int], scales: Sequence[str]
) -> Dict[str, str]:
    """Return column -> text, or ValueError with the reason."""
    while len(fields) > n_columns and not fields[-1]:
        fields.pop()
    if len(fields) != n_columns:
        hint = "; 3,5 is written 3.5" if len(fields) > n_columns else ""
        raise ValueError(f"{len(fields)} fields, the header has {n_columns}{hint}")
    values = {name: fields[place] for name, place in columns.items()}
    for name, value in values.items():
        if not value and name not in [scale.lower() for scale in scales]:
            raise ValueError(f"no {name}")
        if "\0" in value:
            raise ValueError(f"{name}: a NUL character; was the file saved as UTF-16?")
        if len(value.splitlines()) > 1:
            raise ValueError(f"{name}: a line break in a field; is a quote left open?")
    return values


def _row(
    line: int,
    values: Dict[str, str],
    folder: Path,
    scale: Tuple[float, float],
    scales: Sequence[str],
) -> Row:
    """Return one row, or ValueError with the reason."""
    mos = to_label(values["mos"], scale, " (--scale)")
    scores = []
    for name in scales:
        try:
            if values[name.lower()]:
                label = to_label(values[name.lower()], scale, " (--scale)")
                scores.append((name, label))
        except ValueError as e:
            raise ValueError(f"{name}: {e}") from e
    split = values.get("split")
    if split is not None:
        if split.lower() not in SPLITS:
            raise ValueError(f"split {split!r} is none of train, valid, test")
        split = SPLITS[split.lower()]
    # One file may be named in two ways. Not Path.resolve(), which raises where a link
    # leads to itself.
    wav = Path(os.path.realpath(folder / values["wav"]))
    return Row(line, wav, mos, values.get("system"), split, tuple(scores))
