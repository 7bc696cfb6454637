"""What a run ends with: what was reached, against what, and where to look next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.report.rows import read_scores, reference_rows, scored_sets
from espnet2_distilmos.utils.files import PathLike


def _figures(scores: Dict[str, Any]) -> str:
    """`SRCC 0.589, MSE 0.512` of the utterances; a dash where it is not defined."""
    found = []
    for metric in ("srcc", "mse"):
        value = scores["utt"][metric]["value"]
        found.append(f"{metric.upper()} {'–' if value is None else f'{value:.3f}'}")
    return ", ".join(found)


def three_lines(
    predictions: PathLike,
    sets: Optional[Sequence[str]],
    reference: Optional[PathLike],
    results: PathLike,
) -> List[str]:
    """Return three lines for the end of stage 6, on utterances.

    Args:
        predictions: `<exp>/<inference_tag>` with `<set>/scores.json`.
        sets: test sets, in order; None = those that are there, by name.
        reference: folder of reference rows; None = there are none.
        results: the page with all figures.

    Raises:
        UserError: scores that are missing or cannot be read.
    """
    folder = Path(predictions)
    names = sets or list(scored_sets(folder))
    reached = "; ".join(
        f"{name}: {_figures(read_scores(folder / name / 'scores.json'))}"
        for name in names
    )
    against = []
    for row in [] if reference is None else reference_rows(reference):
        own = [f"{n}: {_figures(row.scores[n])}" for n in names if n in row.scores]
        if own:
            against.append(f"{row.name} ({'; '.join(own)})")
    exp = folder.parent
    if (exp.parent / "fold1" / exp.name).is_dir():  # of a cross-validation
        exp = exp.parent / "fold*" / exp.name
    return [
        f"Reached, by utterance: {reached}",
        f"Reference rows: {', '.join(against) or 'none were scored'}",
        f"Where to look next: {results} (all figures with intervals), "
        f"{folder}/<set>/scatter.png, {exp}/plots, doc/comparing.md",
    ]
