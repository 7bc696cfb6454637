"""Is one predictor better than another? Paired bootstrap tests, corrected by Holm.

Predictors are compared on the *same* resamples of the same clips (or systems): what
makes a set easy or hard for all of them cancels out, so that a difference can be clear
where the two intervals overlap widely. Sources: Efron & Tibshirani 1993, ch. 13 and 16;
Holm 1979, Scandinavian Journal of Statistics 6(2).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.scoring.bootstrap import (
    Interval,
    Statistic,
    bootstrap_samples,
    percentile_interval,
    whole_groups,
)
from espnet2_distilmos.scoring.student import student_interval, student_p

# Pairs from which on a mean of differences is resampled: then noise seems to differ at
# the 5 % level in less than 6 % of cases.
FEW = 50


@dataclass(frozen=True)
class PairedTest:
    """Figure of `a` minus figure of `b`.

    Attributes:
        a: Name of the one.
        b: Name of the other.
        difference: a - b on the data as they are; None where one is undefined.
        ci95: Its percentile interval, or None.
        p: Two-sided p-value of "no difference", or None.
    """

    a: str
    b: str
    difference: Optional[float]
    ci95: Interval
    p: Optional[float]


def paired_tests(
    n_units: int,
    statistic: Callable[[np.ndarray], Mapping[str, Optional[float]]],
    pairs: Sequence[Tuple[str, str]],
    n_bootstrap: int = 10000,
    seed: int = 0,
) -> List[PairedTest]:
    """Test pairs of figures on the same resamples.

    Args:
        n_units: Number N of units (utterances or systems) that are resampled.
        statistic: Takes positions (N,) and returns name -> figure, e.g. model -> SRCC,
            or None where undefined (:func:`~.bootstrap.bootstrap_samples`).
        pairs: Names to compare.
        n_bootstrap: Number of resamples; p cannot be below 2 / (n_bootstrap + 1).
        seed: Seed of the resampling.

    Returns:
        One test a pair. The interval runs over resamples in which both figures are
        defined and is None, as is p, where that is less than half of them.
    """
    observed = statistic(np.arange(n_units))
    samples = bootstrap_samples(n_units, statistic, n_bootstrap, seed)
    tests = []
    for a, b in pairs:
        differences = [_minus(x, y) for x, y in zip(samples[a], samples[b])]
        interval = percentile_interval(differences)
        difference = _minus(observed[a], observed[b])
        if difference is None or interval is None:
            tests.append(PairedTest(a, b, difference, None, None))
        else:
            p = two_sided_p(differences)
            tests.append(PairedTest(a, b, difference, interval, p))
    return tests


def _minus(x: Optional[float], y: Optional[float]) -> Optional[float]:
    return None if x is None or y is None else x - y


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    n_bootstrap: int = 10000,
    seed: int = 0,
    units: Optional[Sequence[str]] = None,
) -> Tuple[float, float, float, float]:
    """Test the mean of `a - b` over the same utterances.

    Each utterance counts with both its scores, so that what makes it easy or hard for
    both does not widen the interval. From FEW units on, these are resampled. Of fewer
    the percentiles of a bootstrap are too narrow (two pairs of noise would differ at
    the 5 % level every other time), and interval and p are Student's t.

    Args:
        a: (N,) scores of one system.
        b: (N,) scores of the other, in the same order of utterances.
        n_bootstrap: Number of resamples.
        seed: Seed of the resampling.
        units: (N,) what is drawn as a whole, e.g. each utterance's system; None =
            single utterances.

    Returns:
        Mean difference, both ends of its 95 % interval, and the two-sided p-value
        (:func:`two_sided_p`, or of Student's t; where all differences of a few are
        equal and not 0, t has no value, and p is that of the sign test).

    Raises:
        ValueError: different lengths, or fewer than two utterances or units.
    """
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"two pairs or more are needed, not {len(a)} and {len(b)}")
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)

    def mean(drawn: np.ndarray) -> Dict[str, Optional[float]]:
        return {"mean": float(differences[drawn].mean()) if len(drawn) else None}

    n_units = len(differences)
    if units is None and n_units < FEW:
        return _student(differences)
    statistic: Statistic = mean
    if units is not None:
        # Here: it needs scipy, which the scorer without torch has not.
        from espnet2_distilmos.scoring.metrics import group_by_system

        groups = group_by_system(units)
        if len(groups) < 2:
            raise ValueError(f"two units or more are needed, not {len(groups)}")
        n_units, statistic = len(groups), whole_groups(groups, mean)
    means = bootstrap_samples(n_units, statistic, n_bootstrap, seed)["mean"]
    interval = percentile_interval(means)
    assert interval is not None  # every mean is defined
    low, high = interval
    return float(differences.mean()), low, high, two_sided_p(means)


def _student(differences: np.ndarray) -> Tuple[float, float, float, float]:
    """Return what :func:`paired_difference` does, by Student's t."""
    n, difference = len(differences), float(differences.mean())
    if np.ptp(differences) == 0:
        return difference, difference, difference, 2.0 ** (1 - n) if difference else 1.0
    deviation, low, high = student_interval(differences)
    p = student_p(difference / deviation * math.sqrt(n), n - 1)
    return difference, low, high, p


def two_sided_p(differences: Sequence[Optional[float]]) -> float:
    """Return the p-value of "the difference is zero", from its bootstrap.

    Twice the share of resamples on the far side of zero (zeros count for both sides),
    at most 1. It belongs to the percentile interval: p falls below 0.05 where the
    interval begins to exclude zero. One is added to both counts, as in permutation
    tests, since a finite number of resamples never shows that p is 0.

    Args:
        differences: One a resample; None where undefined (these do not count).
    """
    values = np.array([d for d in differences if d is not None])
    smaller = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(values) + 1))


def holm(p_values: Sequence[Optional[float]]) -> List[Optional[float]]:
    """Correct p-values for their number (Holm's step-down method).

    Controls the chance that any of the tests errs, whatever their dependence. The
    smallest of m is multiplied by m, the next by m - 1, and so on; none may be
    smaller than its predecessor.

    Args:
        p_values: One a test; None where there was none, which does not count.

    Returns:
        Corrected p-values, in the same order, at most 1.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: List[Optional[float]] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[i] = largest
    return corrected
