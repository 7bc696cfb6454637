"""Scores on one scale beside labels on another: correlations, but no errors.

A model of opinions from 1 to 5 can rank clips that MUSHRA rated from 0 to 100. The
difference between its score and a label is then no error, and its mean square says
nothing: there is no MSE. No map between scales is guessed; a calibration fits one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Dict, List, Optional, Tuple

from espnet2_distilmos.utils.label_info import scale_words
from espnet2_distilmos.utils.labels import Labels

# Key of scores.json; there only where the scales differ.
SCALES = "scales"
LEVELS = ("utt", "sys", "within_sys")
# By so much of the wider scale the ends may lie apart: measures of an opinion score end
# a little short of it (PESQ MOS-LQO: 1 to 4.64), and are read as such.
TOLERANCE = 0.1

# `predictions` and `labels` -> lowest and highest.
Scales = Dict[str, List[float]]


def differing(predicted: Labels, labels: Labels) -> Optional[Scales]:
    """Return both scales where scores and labels are on different ones, else None.

    Where one of them is not recorded, nothing is known to differ.

    Args:
        predicted: what the model was trained to predict.
        labels: of the set.

    Returns:
        `{"predictions": [low, high], "labels": [low, high]}`.
    """
    infos = [*predicted.infos, *labels.infos]
    if not predicted or not labels or any(info.scale is None for info in infos):
        return None
    a, b = predicted.scale, labels.scale
    most = TOLERANCE * max(a[1] - a[0], b[1] - b[0])
    if all(abs(x - y) <= most for x, y in zip(a, b)):
        return None
    return {"predictions": list(a), "labels": list(b)}


def without_errors(scores: Mapping[str, Any], scales: Scales) -> Dict[str, Any]:
    """Return a `scores.json` whose MSE is null, with the two scales in it."""
    nothing = {"mse": {"value": None, "ci95": None}}
    return {
        **scores,
        **{level: {**scores[level], **nothing} for level in LEVELS},
        SCALES: scales,
    }


def why_no_error(scores: Mapping[str, Any]) -> str:
    """Say why a `scores.json` has no MSE; empty where that is not the reason."""
    scales = scores.get(SCALES)
    if not scales:
        return ""
    predicted, labels = (scale_words(scales[k]) for k in ("predictions", "labels"))
    return f"scores lie on a scale of {predicted}, labels on one of {labels}"


def no_error_notes(scored: Iterable[Tuple[str, Mapping[str, Any]]]) -> str:
    """Say under a table which of its rows have no MSE, and why.

    Args:
        scored: what a row is called, and its `scores.json`.
    """
    unlike: Dict[str, List[str]] = {}
    for label, scores in scored:
        if why := why_no_error(scores):
            unlike.setdefault(why, []).append(label)
    return "".join(
        f"\nNo MSE of {', '.join(models)}: {why} (doc/comparing.md).\n"
        for why, models in unlike.items()
    )
