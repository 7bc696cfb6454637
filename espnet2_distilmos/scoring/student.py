"""Student's t distribution without scipy, which takes longer to load than a clip."""

import math
from collections.abc import Sequence
from typing import Tuple, Union

import numpy as np


def student_interval(
    values: Union[Sequence[float], np.ndarray],
) -> Tuple[float, float, float]:
    """Return the standard deviation and both ends of the mean's 95 % interval.

    Args:
        values: two or more.
    """
    n, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1))
    half = student_quantile(0.975, n - 1) * deviation / math.sqrt(n)
    return deviation, mean - half, mean + half


def student_quantile(p: float, n: int) -> float:
    """Return the value that a variable of Student's t is below with probability `p`.

    Args:
        p: above 0.5, below 1.
        n: degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while _upper_tail(high, n) > 1 - p:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        above = _upper_tail(middle, n) > 1 - p
        low, high = (middle, high) if above else (low, middle)


def student_p(t: float, n: int) -> float:
    """Return the probability of a value as far from 0 as `t`, on either side.

    Args:
        t: any finite number.
        n: degrees of freedom, at least 1.
    """
    return 2 * _upper_tail(abs(t), n)


def _upper_tail(t: float, n: int) -> float:
    """Return the probability of a value above `t`, which is 0 or more."""
    return _incomplete_beta(n / (n + t * t), n / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function (DLMF 8.17), for 0 <= x <= 1."""
    if x == 0:
        return 0.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - _incomplete_beta(1 - x, b, a)
    logarithm = a * math.log(x) + b * math.log1p(-x) - math.log(a)
    logarithm += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    # The continued fraction 8.17.22, from its front (modified Lentz).
    value = c = 1.0
    d = 0.0
    m = 0
    while True:
        for odd in (False, True):
            if odd:
                term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            elif m:
                term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            else:
                continue
            d = 1 / (1 + term * d)
            c = 1 + term / c
            value *= c * d
        m += 1
        if abs(c * d - 1) < 1e-15:
            return math.exp(logarithm) / value
