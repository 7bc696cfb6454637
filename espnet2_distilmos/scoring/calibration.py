"""An affine map from predictions to labels, fitted on a validation set.

It mends a model whose scores have the right order on a wrong scale: too high, or all
too near to each other. It changes no rank. On few clips a fitted line is mostly noise;
therefore it is drawn towards doing nothing, as if PRIOR_CLIPS further clips had been
predicted well, and it is refused where it would not be sensible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from espnet2_distilmos.scoring.metrics import is_constant
from espnet2_distilmos.utils.datadir import require_same_ids
from espnet2_distilmos.utils.terminal import counted

# Below it, a line through the points says nothing.
MIN_CLIPS = 5
PRIOR_CLIPS = 10
# A line steeper or flatter than these corrects no scale; the model has not learnt it.
SLOPES = (0.2, 5.0)


@dataclass(frozen=True)
class Calibration:
    """`intercept + slope * prediction`.

    Attributes:
        slope: above 0; 1 where the fit was refused.
        intercept: MOS units; 0 where the fit was refused.
        n_utt: clips that it was fitted on.
        refused: why it does nothing; empty where it does something.
        towards: the map that it was drawn to, in words.
    """

    slope: float
    intercept: float
    n_utt: int
    refused: str = ""
    towards: str = "no change"

    def __call__(self, prediction: float) -> float:
        """Return the calibrated prediction."""
        return self.intercept + self.slope * prediction

    def sentence(self) -> str:
        """Return what was done, for people."""
        if self.refused:
            return f"not calibrated, though it was asked for: {self.refused}"
        return (
            f"calibrated: {self.intercept:+.3f} {self.slope:+.3f} x prediction, fitted "
            f"on {self.n_utt} validation clips (drawn towards {self.towards} as by "
            f"{PRIOR_CLIPS} more)"
        )


def fit_calibration(
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    names=("labels", "predictions"),
    scales: Optional[Mapping[str, Sequence[float]]] = None,
) -> Calibration:
    """Fit labels on predictions by least squares, drawn towards no change.

    Slope and offset at the mean prediction are weighted with n / (n + PRIOR_CLIPS).

    Args:
        ref: ID -> label of a clip that the model was not trained on.
        hyp: ID -> prediction.
        names: what an error calls the two.
        scales: `predictions` and `labels`, lowest and highest, where the scales differ:
            the map that takes the ends of one to those of the other is then in the
            place of no change.

    Raises:
        UserError: IDs that only one of them has.
    """
    require_same_ids({names[0]: ref, names[1]: hyp})
    ids = sorted(ref, key=str.encode)
    n = len(ids)
    y = np.array([ref[u] for u in ids], np.float64)
    x = np.array([hyp[u] for u in ids], np.float64)
    ratio, shift, towards = 1.0, 0.0, "no change"
    if scales is not None:
        (low, high), (first, last) = scales["predictions"], scales["labels"]
        ratio = (last - first) / (high - low)
        shift = first - ratio * low
        towards = f"the map of {low:g} to {high:g} to {first:g} to {last:g}"
        x = shift + ratio * x

    def refuse(why: str) -> Calibration:
        return Calibration(1.0, 0.0, n, why)

    if n < MIN_CLIPS:
        return refuse(
            f"{counted(n, 'validation clip', 'is')} too few ({MIN_CLIPS} are needed)"
        )
    if is_constant(x):
        return refuse("all predictions of the validation set are the same")
    centre = float(x.mean())
    fitted = float(((x - centre) * (y - y.mean())).sum() / ((x - centre) ** 2).sum())
    low, high = SLOPES
    if not low <= fitted <= high:
        return refuse(
            f"the slope of labels on predictions is {fitted:.3f} on {n} validation "
            f"clips, outside {low:g} to {high:g}: the predictions do not follow the "
            "labels there"
        )
    weight = n / (n + PRIOR_CLIPS)
    slope = 1 + weight * (fitted - 1)
    offset = weight * (float(y.mean()) - centre)
    intercept = centre + offset - slope * centre
    return Calibration(slope * ratio, intercept + slope * shift, n, "", towards)
