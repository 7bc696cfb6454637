"""Metrics with one cluster of clips left out at a time (delete-one-cluster jackknife).

Source: Efron & Tibshirani 1993, ch. 11; clusters: Cameron, Gelbach & Miller 2011,
Journal of Business & Economic Statistics 29(2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import List

import numpy as np

from espnet2_distilmos.scoring.metrics import METRICS

# Values held at a time, in an array of subsets x clips.
_CHUNK = 2_000_000


def metric_of_subsets(
    metric: str, ref: np.ndarray, hyps: Sequence[np.ndarray], kept: np.ndarray
) -> np.ndarray:
    """Return a metric of several predictions on each of several subsets of N values.

    Each is what METRICS gives for the subset alone, all at once.

    Args:
        metric: a key of METRICS.
        ref: (N,).
        hyps: S times (N,).
        kept: (G, N) of bool, what is in each subset.

    Returns:
        (G, S); NaN where the metric is undefined.
    """
    if metric == "ktau":  # no sum over clips: one after the other
        one = METRICS[metric]
        found = [[one(ref[k], hyp[k]) for hyp in hyps] for k in kept]
        return np.array(found, dtype=np.float64).reshape(len(kept), len(hyps))
    if metric == "mse":
        n = kept.sum(axis=1)
        n = np.where(n > 0, n, np.nan)
        columns = [((ref - hyp) ** 2 * kept).sum(axis=1) / n for hyp in hyps]
        return np.stack(columns, axis=1)
    unit = _units(metric, ref, kept)
    columns = [np.einsum("gn,gn->g", unit, _units(metric, h, kept)) for h in hyps]
    return np.clip(np.stack(columns, axis=1), -1, 1)


def _units(metric: str, x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return (G, N): values or ranks, centred and of length one in each subset.

    A row of NaN where there is no correlation.
    """
    undefined = _constant(x, kept) | (kept.sum(axis=1) < 2)
    values = _ranks(x, kept) if metric == "srcc" else x
    n = np.where(undefined, np.nan, kept.sum(axis=1))
    centred = kept * (values - ((values * kept).sum(axis=1) / n)[:, None])
    return centred / np.sqrt(np.einsum("gn,gn->g", centred, centred))[:, None]


def _constant(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Tell of each subset, (G,), what :func:`~.metrics.is_constant` does of one."""
    low = np.where(kept, x, np.inf).min(axis=1, initial=np.inf)
    high = np.where(kept, x, -np.inf).max(axis=1, initial=-np.inf)
    with np.errstate(invalid="ignore"):  # nothing kept: infinite
        return ~(high - low > 1e-12 * np.maximum(abs(low), abs(high)))


def _ranks(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return (G, N) ranks within each subset, ties averaged; any outside of it."""
    # One order for all subsets: ranks are counts, several times as quick as sorting.
    order = np.argsort(x, kind="stable")
    starts = np.flatnonzero(np.diff(x[order], prepend=-np.inf))
    code = np.empty(len(x), dtype=int)
    code[order] = np.repeat(np.arange(len(starts)), np.diff([*starts, len(x)]))
    n = np.add.reduceat(kept[:, order], starts, axis=1, dtype=float)
    return (np.cumsum(n, axis=1) - (n - 1) / 2)[:, code]


def codes_of(names: Sequence[str]) -> np.ndarray:
    """Return (N,) numbers from 0 on, one a different name."""
    return np.unique(np.asarray(names, dtype=str), return_inverse=True)[1]


@dataclass(frozen=True)
class LeftOut:
    """A metric of several trainings, on all clips and without each cluster.

    Attributes:
        metric: a key of METRICS.
        values: (S,), one a training; NaN where undefined.
        without: of each clustering (G, S): without cluster g.
    """

    metric: str
    values: np.ndarray
    without: List[np.ndarray]


class Clusters:
    """The clips of a set, and what is left out of it together.

    Args:
        labels: (N,).
        clusterings: one or two, each (N,) names. Of two, their cells (what has both
            names in common) are a third.

    Raises:
        ValueError: another number of clusterings, or of names in one.
    """

    def __init__(self, labels: np.ndarray, clusterings: Sequence[Sequence[str]]):
        self.labels = np.asarray(labels, dtype=np.float64)
        if len(clusterings) not in (1, 2):
            raise ValueError(f"one or two clusterings, not {len(clusterings)}")
        if any(len(names) != len(self.labels) for names in clusterings):
            raise ValueError("not as many names as labels")
        self.codes = [codes_of(names) for names in clusterings]
        if len(self.codes) == 2:
            a, b = self.codes
            self.codes.append(np.unique(a * (b.max() + 1) + b, return_inverse=True)[1])

    def leave_out(self, metric: str, predictions: np.ndarray) -> LeftOut:
        """Return a metric of each training, on all clips and without each cluster.

        Args:
            metric: a key of METRICS.
            predictions: (S, N), one row a training.
        """

        def figures(kept: np.ndarray) -> np.ndarray:
            return metric_of_subsets(metric, self.labels, [*predictions], kept)

        everything = np.ones((1, len(self.labels)), dtype=bool)
        return LeftOut(
            metric,
            figures(everything)[0],
            [np.concatenate([*map(figures, _without_each(c))]) for c in self.codes],
        )


def _without_each(codes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the subsets without each cluster in turn, some (G, N) at a time."""
    n = int(codes.max()) + 1
    step = max(1, _CHUNK // len(codes))
    for start in range(0, n, step):
        yield codes != np.arange(start, min(n, start + step))[:, None]
