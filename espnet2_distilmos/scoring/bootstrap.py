"""Seeded percentile bootstrap (Efron & Tibshirani 1993, ch. 13)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Dict, List, Optional

import numpy as np

LEVEL = 0.95

Interval = Optional[List[float]]
# Positions (N,) of units -> name -> value, or None where undefined.
Statistic = Callable[[np.ndarray], Mapping[str, Optional[float]]]


def bootstrap_samples(
    n_units: int,
    statistic: Statistic,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Dict[str, List[Optional[float]]]:
    """Compute several figures on the same resamples, for all of the project.

    What is resampled (utterances or systems) is the caller's choice: `statistic` gets
    positions of units. The result depends on nothing but the arguments: units must
    come in a fixed order, and the generator is PCG64, seeded here.

    Args:
        n_units: Number N of units to draw from.
        statistic: Takes positions (N,), drawn with replacement, and returns
            name -> value, or None where undefined.
        n_bootstrap: Number of resamples.
        seed: Seed of the generator.

    Returns:
        Name -> value in each resample; no values with fewer than two units.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    samples: Dict[str, list] = {name: [] for name in statistic(np.arange(0))}
    if n_units >= 2:
        for _ in range(n_bootstrap):
            for name, value in statistic(rng.integers(n_units, size=n_units)).items():
                samples[name].append(value)
    return samples


def whole_groups(groups: Mapping[str, np.ndarray], statistic: Statistic) -> Statistic:
    """Return a statistic of positions of groups from one of positions of clips.

    A group that is drawn brings all its clips, so that the interval answers "what if
    other systems had been drawn" for a figure over clips.

    Args:
        groups: Name -> positions (n,) of its clips.
        statistic: Takes positions of clips.
    """
    members = list(groups.values())

    def of_groups(drawn: np.ndarray) -> Mapping[str, Optional[float]]:
        none = np.arange(0)
        return statistic(np.concatenate([none, *(members[i] for i in drawn)]))

    return of_groups


def bootstrap_intervals(
    n_units: int,
    statistic: Statistic,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Dict[str, Interval]:
    """Return 95 % intervals of several figures at once, from the same resamples.

    Args:
        n_units: See :func:`bootstrap_samples`.
        statistic: Likewise.
        n_bootstrap: Likewise.
        seed: Likewise.

    Returns:
        Name -> :func:`percentile_interval`.
    """
    samples = bootstrap_samples(n_units, statistic, n_bootstrap, seed)
    return {name: percentile_interval(x) for name, x in samples.items()}


def percentile_interval(samples: Sequence[Optional[float]]) -> Interval:
    """Return [low, high], the 2.5 % and 97.5 % percentiles of the resamples.

    Args:
        samples: Value in each resample, None where undefined.

    Returns:
        None without resamples, and where the figure is undefined in more than half of
        them: the rest would be a biased choice.
    """
    defined = [x for x in samples if x is not None]
    if not defined or 2 * len(defined) < len(samples):
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return [float(low), float(high)]
