"""Label tables of published corpora: CSV with or without a header line."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

Row = Tuple[str, Dict[str, str]]  # FILE:LINE, and the fields by column


def read_table(
    path: PathLike, columns: Sequence[str] = (), needed: Sequence[str] = ()
) -> List[Row]:
    """Read a CSV file; blank lines are passed over, fields are stripped.

    Args:
        path: UTF-8, with or without byte order mark, any line ends.
        columns: names of the columns of a file without header; empty where the first
            line has them.
        needed: columns that the header must have.

    Returns:
        (FILE:LINE, column -> text) of each line.

    Raises:
        UserError: no such file, no text, no lines, a column that is not there, or
            lines with another number of fields: names them.
    """
    path = Path(path)
    rows: List[Row] = []
    problems: List[str] = []
    names = list(columns)
    try:
        with open(path, encoding="utf-8-sig", newline="") as f:
            reader = csv.reader(f)
            for fields in reader:
                fields = [x.strip() for x in fields]
                where = f"{path}:{reader.line_num}"
                if not any(fields):
                    continue
                if not names:
                    names = fields
                    absent = [c for c in needed if c not in names]
                    if absent:
                        raise UserError(
                            f"{where}: no column {', '.join(absent)} in the header; "
                            f"there are {', '.join(names)}"
                        )
                elif len(fields) != len(names):
                    problems.append(
                        f"{where}: {len(names)} columns ({','.join(names)[:60]}) were "
                        f"expected, found {len(fields)}"
                    )
                else:
                    rows.append((where, dict(zip(names, fields))))
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except (UnicodeDecodeError, csv.Error) as e:
        raise UserError(f"{path}: not a CSV file of UTF-8 text ({e})") from e
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError("; ".join(problems[:3]) + more)
    if not rows:
        raise UserError(f"{path}: has no lines")
    return rows


def find_folder(root: PathLike, candidates: Sequence[str], inside: str) -> Path:
    """Return the first of `root`/`candidates` that holds `inside` (a file or folder).

    Returns:
        An absolute path, links not followed.

    Raises:
        UserError: none does; names what was looked for.
    """
    root = Path(root).absolute()
    for candidate in candidates:
        if (root / candidate / inside).exists():
            return root / candidate if candidate != "." else root
    places = ", ".join(str(Path(c) / inside) for c in candidates)
    raise UserError(f"{root}: none of {places} is there; is it the corpus' folder?")
