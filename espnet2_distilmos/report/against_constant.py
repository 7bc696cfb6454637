"""The end of a RESULTS.md: is each model better than the mean of its labels?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet2_distilmos.report.constant import CONSTANT, compare_files
from espnet2_distilmos.report.rows import Row, base_of
from espnet2_distilmos.report.scales import why_no_error
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def against_constant(
    rows: Sequence[Row], sets: Sequence[str], names: Mapping[int, str], labels: PathLike
) -> str:
    """Say for every model and set: is it better than the constant?

    Args:
        rows: One of them may be the constant, else there is nothing to say.
        sets: Those that are shown.
        names: What rows are called, by `id`.
        labels: Folder with `<set>/utt2mos`, the labels.
    """
    constants = {
        s: f
        for r in rows
        if r.is_reference and r.name == CONSTANT
        for s, f in r.folders.items()
    }
    lines = []
    for s in sets:
        for row in rows:
            for variant, folder in sorted(row.folders.items()):
                if row.is_reference or base_of(variant) != s or s not in constants:
                    continue
                if why := why_no_error(row.scores[variant]):
                    said = f"{names[id(row)]} is not compared with the constant: {why}."
                    lines.append(f"- {variant}: {said}\n")
                    continue
                files = (Path(labels) / variant, folder, constants[s])
                try:
                    found = compare_files(*(f / "utt2mos" for f in files))
                    said = found.sentence(names[id(row)])
                except UserError as e:
                    # An experiment of earlier clips must not keep the others' table
                    # from being written; scored again, it will be compared.
                    said = f"{names[id(row)]} is not compared with the constant: {e}"
                lines.append(f"- {variant}: {said}\n")
    return "".join(lines)
