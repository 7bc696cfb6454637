"""Seeded percentile bootstrap (Efron & Tibshirani 1993, ch. 13)."""

from collections.abc import Callable, Mapping

import numpy as np

LEVEL = 0.95

Interval = list[float] | None


def bootstrap_intervals(
    n_units: int,
    statistic: Callable[[np.ndarray], Mapping[str, float | None]],
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """95 % intervals of several figures at once, from the same resamples.

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
        Name -> [low, high], the 2.5 % and 97.5 % percentiles of the resamples in which
        the figure is defined; None where it is undefined in more than half of them
        (then the rest would be a biased choice), with fewer than two units, and
        without resamples.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    samples: dict[str, list[float]] = {name: [] for name in statistic(np.arange(0))}
    if n_units >= 2:
        for _ in range(n_bootstrap):
            for name, value in statistic(rng.integers(n_units, size=n_units)).items():
                if value is not None:
                    samples[name].append(value)
    return {name: _interval(x, n_bootstrap) for name, x in samples.items()}


def _interval(samples: list[float], n_bootstrap: int) -> Interval:
    if not samples or 2 * len(samples) < n_bootstrap:
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(samples, [tail, 100 - tail])
    return [float(low), float(high)]
