"""The end of a RESULTS.md: is each model better than the mean of its labels?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Dict, List

from espnet2_distilmos.report.constant import (
    CONSTANT,
    Comparison,
    compare_files,
    compare_out_of_fold,
)
from espnet2_distilmos.report.rows import Row, base_of
from espnet2_distilmos.report.scales import why_no_error
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.folds import unit_file

_HEADING = "\n## Better than a constant?\n\n"
_TOLD = """\
The constant is the mean label of the training set. In brackets: 95% bootstrap \
intervals of the difference on the same clips (10000 resamples, seed 0).
"""
_TOLD_OF_FOLDS = """\
The constant is, for each clip, the mean label of the training part of its fold. In \
brackets: 95% bootstrap intervals of the difference on the same clips (10000 resamples \
of {by}s, seed 0).
"""


def against_constant(
    rows: Sequence[Row], sets: Sequence[str], names: Mapping[int, str], labels: PathLike
) -> str:
    """Say for every model and set: is it better than the constant?

    Args:
        rows: One of them may be the constant, else there is nothing to say.
        sets: Those that are shown.
        names: What rows are called, by `id`.
        labels: Folder with `<set>/utt2mos`, the labels.

    Returns:
        A section of the page; empty where there is nothing to say.
    """
    constants = {
        s: f
        for r in rows
        if r.is_reference and r.name == CONSTANT
        for s, f in r.folders.items()
    }
    lines: List[str] = []
    told: Dict[str, None] = {}  # in order, each once
    for s in sets:
        for row in rows:
            for variant, folder in sorted(row.folders.items()):
                if row.is_reference or base_of(variant) != s or s not in constants:
                    continue
                by = row.scores[variant].get("folds", {}).get("by", "")
                told[_TOLD_OF_FOLDS.format(by=by) if by else _TOLD] = None
                if why := why_no_error(row.scores[variant]):
                    said = f"{names[id(row)]} is not compared with the constant: {why}."
                    lines.append(f"- {variant}: {said}\n")
                    continue
                try:
                    found = _compare(Path(labels) / variant, folder, constants[s], by)
                    said = found.sentence(names[id(row)])
                except UserError as e:
                    # An experiment of earlier clips must not keep the others' table
                    # from being written; scored again, it will be compared.
                    said = f"{names[id(row)]} is not compared with the constant: {e}"
                lines.append(f"- {variant}: {said}\n")
    if not lines:
        return ""
    return _HEADING + "".join(told) + "\n" + "".join(lines)


def _compare(labels: Path, folder: Path, constants: Path, by: str) -> Comparison:
    """Compare the predictions in a folder; `by` is what folds keep apart, or empty."""
    ref, hyp, value = (f / "utt2mos" for f in (labels, folder, constants))
    if not by:
        return compare_files(ref, hyp, value)
    return compare_out_of_fold(ref, hyp, value, unit_file(labels, by))
