"""Recipes of several trainings (seeds) each: intervals, and paired tests.

The figure of a recipe is the mean of a metric over its seeds. Its variance has parts:

- of the clips, by the delete-one-cluster jackknife: with two clusterings (systems and
  prompts), `cells + (systems - cells)+ + (prompts - cells)+`, where `cells` leaves out
  what has both in common. This is Cameron, Gelbach & Miller's `systems + prompts -
  cells` (2011, Journal of Business & Economic Statistics 29(2)), never less than the
  largest of the three: no part can be below zero.
- of the seeds: variance between them / their number, less what the clips' part holds of
  it already. A seed that does well on some clips by chance widens both; that common
  part is the variance between seeds of what leaving out a cluster changes, and at most
  the clips' part: where seeds of both recipes err alike on a clip, that cancels.

Degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2(6)) over the parts.

A correlation r varies by about (1 - r^2)^2: of two like recipes the one that comes out
lower seems to vary more, and a test with the variances as they are hardly ever rejects.
So intervals of one correlation are made after Fisher's z transformation, and of a
difference both sides are brought to the height of their mean by it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np
from scipy.stats import t as student

from espnet2_distilmos.scoring.bootstrap import LEVEL, Interval
from espnet2_distilmos.scoring.jackknife import Clusters, LeftOut

CELLS, SEEDS = "cells", "seeds"


@dataclass(frozen=True)
class Variance:
    """Variance of a figure, or of a difference, in parts.

    Attributes:
        parts: name (of a clustering, `cells`, `seeds`) -> variance of it alone.
        df: name -> degrees of freedom of that part.
        mixed: what both clips and seeds take part in; it is in the clips' parts.
        n_seeds: trainings (of each recipe; the harmonic mean where these differ).
    """

    parts: Dict[str, float]
    df: Dict[str, float]
    mixed: float
    n_seeds: float

    @property
    def total(self) -> float:
        """The variance."""
        return sum(self.parts.values())

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the total; at least the least one of a part."""
        return freedom(self.parts, self.df)


def freedom(parts: Mapping[str, float], df: Mapping[str, float]) -> float:
    """Return Satterthwaite's degrees of freedom of a sum of independent variances."""
    total = sum(parts.values())
    if total == 0:
        return min(df.values())
    # Shares: squares of very small variances would vanish.
    return 1 / sum((v / total) ** 2 / df[name] for name, v in parts.items())


@dataclass(frozen=True)
class Figure:
    """A figure of a recipe: the mean over its seeds.

    Attributes:
        value: the mean; None where the metric is undefined for a seed.
        by_seed: of each seed.
        deviation: standard deviation over the seeds; None of one seed.
        variance: of the mean; None where leaving out a cluster leaves it undefined.
        ci95: interval of the mean.
    """

    value: Optional[float]
    by_seed: List[Optional[float]]
    deviation: Optional[float]
    variance: Optional[Variance]
    ci95: Interval


@dataclass(frozen=True)
class Difference:
    """Figure of `a` minus figure of `b`.

    Attributes:
        a: name of the one recipe.
        b: name of the other.
        value: None where one is undefined.
        variance: of the difference, or None.
        ci95: its interval, or None.
        p: two-sided p-value of "no difference", or None.
    """

    a: str
    b: str
    value: Optional[float]
    variance: Optional[Variance]
    ci95: Interval
    p: Optional[float]


def figure(left_out: LeftOut, names: Sequence[str]) -> Figure:
    """Return a recipe's figure and its 95 % interval.

    Args:
        left_out: of its seeds.
        names: of the clusterings.
    """
    values = left_out.values
    by_seed = [None if np.isnan(v) else float(v) for v in values]
    if np.isnan(values).any():
        return Figure(None, by_seed, None, None, None)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    value = float(values.mean())
    if not _defined(left_out):
        return Figure(value, by_seed, deviation, None, None)
    variance = _variance([_Side(left_out, 1.0)], names)
    interval = _interval(left_out.metric, value, variance)
    return Figure(value, by_seed, deviation, variance, interval)


def difference(
    a: str,
    b: str,
    left_out: Mapping[str, LeftOut],
    names: Sequence[str],
    paired_seeds: bool = False,
) -> Difference:
    """Test the difference between two recipes on the same clips.

    Args:
        a: a name in `left_out`.
        b: likewise.
        left_out: recipe -> of its seeds, by the same metric and clusters.
        names: of the clusterings.
        paired_seeds: the seeds of both belong together, in order. Only where something
            ties them (both of a pair start from the same weights, say).

    Raises:
        ValueError: paired seeds of different numbers.
    """
    x, y = left_out[a], left_out[b]
    if paired_seeds and len(x.values) != len(y.values):
        raise ValueError(f"{len(x.values)} and {len(y.values)} seeds are no pairs")
    means = [float(side.values.mean()) for side in (x, y)]
    if any(map(math.isnan, means)):
        return Difference(a, b, None, None, None, None)
    value = means[0] - means[1]
    if not (_defined(x) and _defined(y)):
        return Difference(a, b, value, None, None, None)
    height = _slope(x.metric, sum(means) / 2)
    sides = []
    for side, mean, sign in ((x, means[0], 1), (y, means[1], -1)):
        own = _slope(side.metric, mean)
        # All seeds at a correlation of 1: nothing varies, whatever the scale.
        sides.append(_Side(side, sign * (height / own if own else 1.0)))
    if paired_seeds:
        sides = [_joined(*sides)]
    variance = _variance(sides, names)
    error, df = math.sqrt(variance.total), variance.freedom
    if error == 0:
        # Alike in every respect; or apart by the same everywhere: t has no value.
        alike = ([value, value], 1.0) if value == 0 else (None, None)
        return Difference(a, b, value, variance, *alike)
    half = error * float(student.ppf((1 + LEVEL) / 2, df))
    p = float(2 * student.sf(abs(value) / error, df))
    return Difference(a, b, value, variance, [value - half, value + half], p)


class _Side:
    """One term of a difference: what is left out of it, times a factor."""

    def __init__(self, left_out: LeftOut, factor: float):
        self.values = factor * left_out.values
        self.without = [factor * w for w in left_out.without]


def _joined(x: _Side, y: _Side) -> _Side:
    """Return the sum of two sides, seed by seed."""
    without = [v + w for v, w in zip(x.without, y.without)]
    return _Side(LeftOut("", x.values + y.values, without), 1.0)


def _defined(left_out: LeftOut) -> bool:
    return not any(np.isnan(w).any() for w in left_out.without)


def _slope(metric: str, value: float) -> float:
    """Return how the spread of a metric goes with its height (Fisher's z)."""
    return 1.0 if metric == "mse" else 1 - value * value


def _interval(metric: str, value: float, variance: Variance) -> Interval:
    half = math.sqrt(variance.total) * float(
        student.ppf((1 + LEVEL) / 2, variance.freedom)
    )
    if metric == "mse" or half == 0:
        return [value - half, value + half]
    slope = _slope(metric, value)
    if slope == 0:
        return None  # a mean of 1, of values that vary: rounding
    ends = (math.tanh(math.atanh(value) + s * half / slope) for s in (-1, 1))
    return [*ends]


def _jackknife(without: np.ndarray) -> float:
    """Return the variance from the values (G,) or (G, S) without each cluster.

    Of several columns the sum.
    """
    n = len(without)
    return float((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum())


def _variance(sides: Sequence[_Side], names: Sequence[str]) -> Variance:
    """Return the variance of the sum of sides, whose seeds have nothing in common."""
    clips, mixed = [], []
    for k in range(len(sides[0].without)):
        tables = [side.without[k] for side in sides]
        clips.append(_jackknife(np.sum([t.mean(axis=1) for t in tables], axis=0)))
        mixed.append(sum(map(_mixed, tables)))
    n_clusters = [len(w) for w in sides[0].without]
    parts, df = _of_clusters(clips, n_clusters, names)
    common = sum(_of_clusters(mixed, n_clusters, names)[0].values())
    common = min(common, sum(parts.values()))
    several = [side.values for side in sides if len(side.values) > 1]
    n_seeds = math.inf
    if several:
        between = [float(v.var(ddof=1)) / len(v) for v in several]
        by_side = {str(i): v for i, v in enumerate(between)}
        df[SEEDS] = freedom(
            by_side, {str(i): len(v) - 1 for i, v in enumerate(several)}
        )
        parts[SEEDS] = max(0.0, sum(between) - common)
        n_seeds = len(several) / sum(1 / len(v) for v in several)
    return Variance(parts, df, common, n_seeds)


def _mixed(without: np.ndarray) -> float:
    """Return the part of a jackknife's variance that is of single seeds, (G, S)."""
    n = without.shape[1]
    if n < 2:
        return 0.0
    changes = without - without.mean(axis=0)
    return _jackknife(changes - changes.mean(axis=1, keepdims=True)) / (n * (n - 1))


def _of_clusters(
    variances: Sequence[float], n_clusters: Sequence[int], names: Sequence[str]
) -> Tuple[Dict[str, float], Dict[str, float]]:
    """Return the parts of one or two clusterings, and their degrees of freedom."""
    df = {name: float(n - 1) for name, n in zip([*names, CELLS], n_clusters)}
    if len(variances) == 1:
        return {names[0]: variances[0]}, df
    first, second, cells = variances
    above = {name: max(0.0, v - cells) for name, v in zip(names, (first, second))}
    return {**above, CELLS: cells}, df


def compare(
    clusters: Clusters,
    names: Sequence[str],
    predictions: Mapping[str, np.ndarray],
    metric: str = "srcc",
    pairs: Sequence[Tuple[str, str]] = (),
    paired_seeds: bool = False,
) -> Tuple[Dict[str, Figure], List[Difference]]:
    """Return the figure of every recipe on a set, and tests of pairs.

    Args:
        clusters: the set; for figures by system, each system is a clip of its own.
        names: of the clusterings.
        predictions: recipe -> (S, N), one row a training.
        metric: a key of METRICS.
        pairs: (a, b): a - b is tested.
        paired_seeds: see :func:`difference`.

    Returns:
        Recipe -> figure, and one test a pair, p not yet corrected (:func:`~.holm`).
    """
    left_out = {m: clusters.leave_out(metric, p) for m, p in predictions.items()}
    figures = {m: figure(x, names) for m, x in left_out.items()}
    tests = [difference(a, b, left_out, names, paired_seeds) for a, b in pairs]
    return figures, tests
