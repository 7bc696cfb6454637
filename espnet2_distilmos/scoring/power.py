"""How many seeds, or systems, a comparison of recipes needs: power, from a pilot's.

A pilot's variance has parts that go down with more seeds, with more systems, with both,
or with neither. So the variance of another design is known as well as the pilot knows
its parts: of d degrees of freedom a standard error is off by about 1 / sqrt(2 d).
"""

import math
from collections.abc import Callable
from typing import Dict, Optional

import numpy as np
from scipy.stats import chi2, norm
from scipy.stats import t as student

from espnet2_distilmos.scoring.seeds import CELLS, SEEDS, Variance

ALPHA, WANTED = 0.05, 0.8
# More of either is no plan.
_MOST = 10_000
# Over which the noncentral t is averaged: exact to three digits.
_QUANTILES = (np.arange(1000) + 0.5) / 1000


def variance_with(
    pilot: Variance, n_seeds: Optional[int] = None, systems: float = 1.0
) -> Variance:
    """Return the variance that a design with other numbers is expected to have.

    New systems have as many clips each as the old ones, and the same prompts.

    Args:
        pilot: of a difference or a figure.
        n_seeds: trainings of each recipe; None = as many as the pilot has. Recipes
            without seeds stay as they are.
        systems: how many times the clusters of the first clustering.
    """
    fewer = 1.0 if n_seeds is None else pilot.n_seeds / n_seeds
    if math.isinf(pilot.n_seeds):  # of neither recipe are there several
        fewer = 1.0
    clips = {name: v for name, v in pilot.parts.items() if name != SEEDS}
    of_clips = sum(clips.values())  # 0: the seeds differ, but by the same in all clips
    mixed = min(1.0, pilot.mixed / of_clips) if of_clips else 0.0
    by_system = {next(iter(clips)), CELLS}
    parts: Dict[str, float] = {}
    df = dict(pilot.df)
    for name, v in clips.items():
        parts[name] = v * (1 - mixed + mixed * fewer)
        if name in by_system:
            parts[name] /= systems
            df[name] = max(1.0, (df[name] + 1) * systems - 1)
    if SEEDS in pilot.parts:
        parts[SEEDS] = pilot.parts[SEEDS] * fewer
        if n_seeds is not None:
            # Of fewer seeds than the pilot's, that has told what there is to know.
            more = (n_seeds - 1) / (pilot.n_seeds - 1)
            df[SEEDS] *= max(1.0, more)
    n = pilot.n_seeds / fewer
    return Variance(parts, df, pilot.mixed * fewer / systems, n)


def power(variance: Variance, effect: float, alpha: float = ALPHA) -> float:
    """Return the chance of p < `alpha`, two-sided, by the noncentral t.

    Args:
        variance: of the difference.
        effect: the true difference.
        alpha: 0.05 is before any correction.
    """
    error, df = math.sqrt(variance.total), variance.freedom
    if error == 0:
        return 1.0 if effect else alpha
    shift, critical = abs(effect) / error, float(student.ppf(1 - alpha / 2, df))
    # Normal, given the standard error that is found; scipy's nct gives NaN far out.
    found = critical * np.sqrt(chi2.ppf(_QUANTILES, df) / df)
    return float(np.mean(norm.cdf(shift - found) + norm.cdf(-shift - found)))


def seeds_needed(pilot: Variance, effect: float) -> Optional[int]:
    """Return the seeds of each recipe that give a power of 0.8, else None."""
    return _least(lambda n: power(variance_with(pilot, n), effect), 1)


def systems_needed(pilot: Variance, effect: float) -> Optional[int]:
    """Return the systems (clusters of the first clustering) likewise; seeds stay."""
    n_clusters = pilot.df[next(iter(pilot.parts))] + 1

    def power_of(n: int) -> float:
        return power(variance_with(pilot, systems=n / n_clusters), effect)

    return _least(power_of, 2)


def _least(power_of: Callable[[int], float], least: int) -> Optional[int]:
    """Return the smallest number, at least `least`, whose power is enough, or None."""
    low, high = least - 1, least
    while power_of(high) < WANTED:
        low, high = high, 2 * high
        if low >= _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= WANTED else (middle, high)
    return high
