"""Speech-like sound from nothing, for tests that need no network."""

import numpy as np
import scipy.signal


def speech_like(seed: int, seconds: float = 1.1, rate: int = 16000) -> np.ndarray:
    """Syllables: gliding harmonics through two resonances, with pauses (T,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    pitch = rng.uniform(90, 220) * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * t))
    x = scipy.signal.sawtooth(2 * np.pi * np.cumsum(pitch) / rate)
    x += 0.3 * rng.standard_normal(len(t))
    for hz in rng.uniform(300, 3000, 2):
        b, a = scipy.signal.iirpeak(hz, 4, fs=rate)
        x += 3 * scipy.signal.lfilter(b, a, x)
    x *= np.maximum(0, np.sin(2 * np.pi * rng.uniform(2, 4) * t)) ** 0.5
    return 0.3 * x / np.max(np.abs(x))
