"""Two systems scored on the same utterances: is one better, or is it noise?"""

from collections.abc import Sequence
from typing import List, Tuple

import numpy as np

from espnet2_distilmos.scoring.bootstrap import LEVEL

# Resampled values that are held in memory at once.
_BLOCK = 1 << 22


def paired_difference(
    a: Sequence[float], b: Sequence[float], n_bootstrap: int = 10000, seed: int = 0
) -> Tuple[float, float, float, float]:
    """Mean of `a - b` over the same utterances, by a seeded percentile bootstrap.

    Utterances are resampled, each with both its scores, so that what makes an
    utterance easy or hard for both does not widen the interval.

    Args:
        a: (N,) scores of one system.
        b: (N,) scores of the other, in the same order of utterances.
        n_bootstrap: number of resamples.
        seed: of the generator (PCG64).

    Returns:
        Mean difference, both ends of its 95 % interval, and the two-sided p-value
        (at least 2 / (n_bootstrap + 1)).

    Raises:
        ValueError: different lengths, or fewer than two utterances.
    """
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"two pairs or more are needed, not {len(a)} and {len(b)}")
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    rng = np.random.Generator(np.random.PCG64(seed))
    n = len(differences)
    means = np.empty(n_bootstrap)
    step = max(_BLOCK // n, 1)
    for start in range(0, n_bootstrap, step):
        count = min(step, n_bootstrap - start)
        drawn = rng.integers(n, size=(count, n))
        means[start : start + count] = differences[drawn].mean(axis=1)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [tail, 100 - tail])
    less = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    p = min(1.0, 2 * (less + 1) / (n_bootstrap + 1))
    return float(differences.mean()), float(low), float(high), p


def holm(p_values: Sequence[float]) -> List[float]:
    """Holm's (1979) adjusted p-values of several comparisons, in the given order."""
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted
