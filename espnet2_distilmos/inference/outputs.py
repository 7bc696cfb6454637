"""What the predictions of a set are called, and which of them there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.values import FIRST_SCALE, from_scores

SCORES = "utt2scores"  # of a model with further scales
SCALES = "scales"  # key of the stamp: whether there are any
_NAMES = ("utt2mos", "frame_mos.scp", "frame_mos.ark")


def outputs_of(folder: Path, stamp: Mapping[str, Any]) -> List[Path]:
    """Return the files of predictions, of which their stamp tells some."""
    names = (*_NAMES, SCORES) if stamp.get(SCALES) else _NAMES
    return [folder / name for name in names]


def further_scores(result: Mapping[str, Any]) -> Dict[str, float]:
    """Return the scores of an engine's result on further scales."""
    found = dict(result.get("scores", {}))
    found.pop(FIRST_SCALE, None)
    return found


def write_further(folder: Path, scores: Mapping[str, Dict[str, float]]) -> None:
    """Write `utt2scores`, or remove that of another model where there are no scales.

    Args:
        folder: of the predictions.
        scores: ID -> scale -> score (:func:`further_scores`).
    """
    if any(scores.values()):
        write_lines(folder / SCORES, {u: from_scores(s) for u, s in scores.items()})
    else:
        (folder / SCORES).unlink(missing_ok=True)
