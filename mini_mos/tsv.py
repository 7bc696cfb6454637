"""Tables as text: fields between tabs, a header line."""

import csv
import io
from collections.abc import Iterable, Sequence

from espnet2_distilmos.utils.files import PathLike, write_text


def write_tsv(path: PathLike, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table, whole or not at all.

    Args:
        path: file to write.
        columns: their names.
        rows: their values.
    """
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, table.getvalue())
