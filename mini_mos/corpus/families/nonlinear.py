"""Clipping, coarse quantisation, aliasing. Levels are relative to the clip's peak."""

import numpy as np

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear, log


def _peak(x: np.ndarray) -> float:
    return max(float(np.max(np.abs(x))), 1e-12)


@family(
    "clipping",
    strength={"ceiling": log(1.0, 0.01)},
    character=lambda rng: {"softness": float(rng.uniform(0, 1))},
)
def clipping(x, rng, *, ceiling: float, softness: float) -> np.ndarray:
    """Clip at `ceiling` x peak; softness 0 is a hard corner, 1 a tanh."""
    limit = ceiling * _peak(x)
    hard = np.clip(x, -limit, limit)
    return (1 - softness) * hard + softness * limit * np.tanh(x / limit)


@family(
    "quantisation",
    strength={"bits": linear(13, 1.5)},
    character=lambda rng: {"mu": float(rng.choice([0.0, rng.uniform(10, 255)]))},
)
def quantisation(x, rng, *, bits: float, mu: float) -> np.ndarray:
    """Round to 2 ** bits steps over the peak; mu > 0 compands as mu-law does."""
    peak = _peak(x)
    step = 2.0 ** (1 - bits)
    u = x / peak
    if mu > 0:
        u = np.sign(u) * np.log1p(mu * np.abs(u)) / np.log1p(mu)
    u = np.clip(np.round(u / step) * step, -1, 1)
    if mu > 0:
        u = np.sign(u) * np.expm1(np.abs(u) * np.log1p(mu)) / mu
    return u * peak


@family(
    "aliasing",
    strength={"mix": log(0.003, 1.0)},
    character=lambda rng: {"rate_hz": float(rng.uniform(1500, 11000))},
)
def aliasing(x, rng, *, mix: float, rate_hz: float) -> np.ndarray:
    """Sample and hold at a lower rate, unfiltered, mixed with the clean clip."""
    n = np.arange(len(x)) * (rate_hz / SAMPLE_RATE)
    held = x[np.round(np.floor(n) * (SAMPLE_RATE / rate_hz)).astype(int)]
    return (1 - mix) * x + mix * held
