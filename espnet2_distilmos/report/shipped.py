"""Rows that are not made here: predictions of other models, shipped with a recipe."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from espnet2_distilmos.report.rows import NOTE
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text


def add_shipped_rows(
    shipped: PathLike, rows_dir: PathLike, data_dirs: Mapping[str, PathLike]
) -> None:
    """Put `<shipped>/<row>/<set>/utt2mos` and its NOTE.txt among the reference rows.

    A file of other clips than the set has now is not taken, and what an earlier run
    took of it goes.

    Args:
        shipped: folder of the rows.
        rows_dir: folder of the reference rows.
        data_dirs: set -> folder with its labels.

    Raises:
        UserError: no such folder, or a file that cannot be read.
    """
    shipped = Path(shipped)
    if not shipped.is_dir():
        raise UserError(f"{shipped}: no such folder of shipped rows")
    for row in sorted(p for p in shipped.iterdir() if p.is_dir()):
        for name, data_dir in data_dirs.items():
            source = row / name / "utt2mos"
            target = Path(rows_dir) / row.name / name
            if not source.exists():
                continue
            labels = Path(data_dir) / "utt2mos"
            if read_floats(source).keys() != read_floats(labels).keys():
                logging.warning(
                    f"{source.parent}: not shown, made of other clips than {data_dir}"
                )
                shutil.rmtree(target, ignore_errors=True)
                continue
            _copy(source, target / "utt2mos")
            _copy(row / NOTE, target.parents[len(Path(name).parts) - 1] / NOTE)


def _copy(source: Path, target: Path) -> None:
    """Copy a text file; one that is the same keeps its date."""
    text = source.read_text(encoding="utf-8")
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        write_text(target, text)
