"""The four metrics of MOS prediction: MSE, LCC, SRCC and KTAU.

A metric that is undefined (too few values, constant values) is None, never NaN:
a NaN would slip through comparisons and is not JSON. MSE is in squared MOS units,
the correlations lie in [-1, 1]. Source: the evaluation of the VoiceMOS Challenge
2022 (Huang et al., Interspeech 2022), which fixed these four at two levels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Dict, List, Optional, Tuple

import numpy as np
from scipy.stats import kendalltau

# Under ten systems a correlation over systems says more about chance than about
# the predictor, so none is given.
MIN_SYSTEMS = 10
# Two clips are always perfectly ordered, one way or the other.
MIN_CLIPS_WITHIN = 3
# Means are rounded so that systems with equal means are tied: the mean of equal
# numbers can come out different in the last bit, and ranks would tell them apart.
MEAN_DECIMALS = 9
# Up to here every pair is looked at: scipy's call alone takes longer, and a bootstrap
# makes it a thousand times a figure.
FEW_FOR_PAIRS = 200

Values = Dict[str, Optional[float]]


def is_constant(x: np.ndarray) -> bool:
    """Tell whether all values of `x` (N,) are equal, but for rounding noise."""
    low, high = float(x.min()), float(x.max())
    return high - low <= 1e-12 * max(abs(low), abs(high))


def mse(ref: np.ndarray, hyp: np.ndarray) -> Optional[float]:
    """Return the mean squared error of two arrays (N,); None if N is 0."""
    if len(ref) == 0:
        return None
    return float(((ref - hyp) ** 2).mean())


def _correlatable(ref: np.ndarray, hyp: np.ndarray) -> bool:
    return len(ref) >= 2 and not is_constant(ref) and not is_constant(hyp)


def _unit(x: np.ndarray) -> np.ndarray:
    """Centre and scale to length one."""
    x = x - x.mean()
    x = x / np.abs(x).max()  # squares of very small numbers would vanish
    return x / np.sqrt((x * x).sum())


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    # A plain sum instead of a BLAS dot: its result does not depend on threads.
    return float(np.clip((_unit(x) * _unit(y)).sum(), -1.0, 1.0))


def lcc(ref: np.ndarray, hyp: np.ndarray) -> Optional[float]:
    """Return the linear (Pearson) correlation of two arrays (N,).

    None if N < 2 or one of them is constant.
    """
    return _pearson(ref, hyp) if _correlatable(ref, hyp) else None


def srcc(ref: np.ndarray, hyp: np.ndarray) -> Optional[float]:
    """Return Spearman's rank correlation of two arrays (N,); ties share mean ranks.

    None if N < 2 or one of them is constant.
    """
    if not _correlatable(ref, hyp):
        return None
    return _pearson(mean_ranks(ref), mean_ranks(hyp))


def mean_ranks(x: np.ndarray) -> np.ndarray:
    """Return the ranks (N,) of `x` (N,) from 1 on; equal values share their mean."""
    in_order = np.sort(x)
    below = np.searchsorted(in_order, x, side="left")
    not_above = np.searchsorted(in_order, x, side="right")
    return (below + not_above + 1) / 2


def ktau(ref: np.ndarray, hyp: np.ndarray) -> Optional[float]:
    """Return Kendall's tau-b (corrected for ties) of two arrays (N,).

    None if N < 2 or one of them is constant.
    """
    if not _correlatable(ref, hyp):
        return None
    if len(ref) <= FEW_FOR_PAIRS:
        return _tau_of_pairs(ref, hyp)
    # The p-value is not used; this is the cheap way to it.
    return float(kendalltau(ref, hyp, method="asymptotic").statistic)


def _tau_of_pairs(x: np.ndarray, y: np.ndarray) -> float:
    """Return tau-b from the order of all pairs of two arrays (N,), none constant."""
    of_x, of_y = (np.sign(np.subtract.outer(v, v)) for v in (x, y))
    # Whole numbers, of which each pair gives two. Divided as scipy does: the same bits.
    agree = (of_x * of_y).sum() / 2
    untied_x, untied_y = (np.count_nonzero(v) / 2 for v in (of_x, of_y))
    tau = agree / np.sqrt(untied_x) / np.sqrt(untied_y)
    return float(np.clip(tau, -1.0, 1.0))


METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], Optional[float]]] = {
    "mse": mse,
    "lcc": lcc,
    "srcc": srcc,
    "ktau": ktau,
}


def all_metrics(ref: np.ndarray, hyp: np.ndarray) -> Values:
    """Return all metrics of two arrays (N,), name -> value or None."""
    return {name: metric(ref, hyp) for name, metric in METRICS.items()}


def group_by_system(systems: Sequence[str]) -> Dict[str, np.ndarray]:
    """Group clips by system.

    Args:
        systems: System of each of N clips.

    Returns:
        System -> positions of its clips, sorted by the bytes of the system's name.
    """
    groups: Dict[str, List[int]] = {}
    for i, system in enumerate(systems):
        groups.setdefault(system, []).append(i)
    return {s: np.array(groups[s]) for s in sorted(groups, key=str.encode)}


def system_means(x: np.ndarray, groups: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean of `x` (N,) over each system: (S,), as `groups` are ordered.

    The mean of a system's utterances is its system score, for labels too; it is
    rounded to 9 decimals (see MEAN_DECIMALS).
    """
    return np.array([round(float(x[i].mean()), MEAN_DECIMALS) for i in groups.values()])


def per_system(
    ref: np.ndarray, hyp: np.ndarray, groups: Mapping[str, np.ndarray]
) -> Tuple[np.ndarray, np.ndarray]:
    """Return each system's metrics, in preparation of :func:`average_systems`.

    Before, each system's own mean is taken off its labels and off its predictions.
    This leaves the correlations as they are and makes the MSE blind to a system's
    overall bias, so that all four say one thing: how well the clips of *one* system
    are told apart. (Utterance MSE = within-system MSE + clip-weighted mean of the
    systems' squared biases, when every system counts.)

    Args:
        ref: Labels (N,).
        hyp: Predictions (N,).
        groups: From :func:`group_by_system`, S systems.

    Returns:
        Values (S, M) in the order of METRICS, and weights (S, M): the number of the
        system's clips, or 0 where it does not count, because it has fewer than
        3 clips or the metric is undefined (constant labels or predictions).
    """
    values = np.zeros((len(groups), len(METRICS)))
    weights = np.zeros_like(values)
    for s, i in enumerate(groups.values()):
        if len(i) < MIN_CLIPS_WITHIN:
            continue
        # Shifting could break ties by rounding, so only the MSE is shifted.
        figures = all_metrics(ref[i], hyp[i])
        figures["mse"] = mse(ref[i] - ref[i].mean(), hyp[i] - hyp[i].mean())
        for m, value in enumerate(figures.values()):
            if value is not None:
                values[s, m], weights[s, m] = value, len(i)
    return values, weights


def average_systems(values: np.ndarray, weights: np.ndarray) -> Values:
    """Return within-system metrics: the mean over systems, weighted by their clips.

    Args:
        values: (S, M) from :func:`per_system`.
        weights: (S, M) from :func:`per_system`.

    Returns:
        Metric -> value, or None where no system counts.
    """
    total = weights.sum(axis=0)
    summed = (values * weights).sum(axis=0)
    return {
        name: float(summed[m] / total[m]) if total[m] > 0 else None
        for m, name in enumerate(METRICS)
    }
