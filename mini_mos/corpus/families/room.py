"""Rooms. Held out: no training system reverberates."""

import numpy as np
import scipy.signal

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear
from mini_mos.corpus.signal import db_to_gain


@family(
    "reverberation",
    strength={"direct_to_reverberant_db": linear(50, -12)},
    character=lambda rng: {
        "rt60_s": float(rng.uniform(0.15, 1.2)),
        "gap_ms": float(rng.uniform(1, 25)),
        "damping": float(rng.uniform(0.1, 0.85)),
    },
    held_out=True,
)
def reverberation(
    x,
    rng,
    *,
    direct_to_reverberant_db: float,
    rt60_s: float,
    gap_ms: float,
    damping: float,
) -> np.ndarray:
    """Add to the sound, `gap_ms` later, a tail of decaying low-passed noise.

    `rt60_s` is the time in which the tail falls by 60 dB.
    """
    n = np.arange(int(rt60_s * SAMPLE_RATE))
    tail = rng.standard_normal(len(n)) * db_to_gain(-60) ** (n / len(n))
    tail = scipy.signal.lfilter([1 - damping], [1, -damping], tail)
    tail *= db_to_gain(-direct_to_reverberant_db) / np.sqrt(np.sum(tail**2))
    gap = round(gap_ms * SAMPLE_RATE / 1000)
    wet = scipy.signal.fftconvolve(x, tail)[: len(x)]
    return x + np.concatenate([np.zeros(gap), wet])[: len(x)]
