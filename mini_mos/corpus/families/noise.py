"""Additive and multiplicative noise. All levels are RMS ratios in dB."""

import numpy as np
import scipy.fft

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear
from mini_mos.corpus.signal import add_at_snr, db_to_gain


def coloured(length: int, rng: np.random.Generator, slope: float) -> np.ndarray:
    """Return Gaussian noise (length,) whose power falls as frequency ** -slope.

    slope 0 is white, 1 pink, 2 brown; flat below 50 Hz.
    """
    spectrum = scipy.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(scipy.fft.rfftfreq(length, 1 / SAMPLE_RATE), 50.0)
    return scipy.fft.irfft(spectrum * hz ** (-slope / 2), length)


def _seconds(x: np.ndarray) -> np.ndarray:
    return np.arange(len(x)) / SAMPLE_RATE


@family(
    "coloured_noise",
    strength={"snr_db": linear(65, -5)},
    character=lambda rng: {"slope": float(rng.uniform(-0.5, 2.2))},
)
def coloured_noise(x, rng, *, snr_db: float, slope: float) -> np.ndarray:
    """Add stationary noise of one colour."""
    return add_at_snr(x, coloured(len(x), rng, slope), snr_db)


@family(
    "bursty_noise",
    strength={"snr_db": linear(60, -5)},
    character=lambda rng: {
        "slope": float(rng.uniform(0, 2)),
        "rate_hz": float(rng.uniform(1, 9)),
        "sharpness": float(rng.uniform(1, 6)),
    },
)
def bursty_noise(
    x, rng, *, snr_db: float, slope: float, rate_hz: float, sharpness: float
) -> np.ndarray:
    """Add noise that comes and goes, as from a room full of people or machines."""
    phase = 2 * np.pi * (rate_hz * _seconds(x) + rng.uniform())
    envelope = np.exp(sharpness * (np.cos(phase) - 1) / 2)
    return add_at_snr(x, coloured(len(x), rng, slope) * envelope, snr_db)


@family(
    "hum",
    strength={"snr_db": linear(50, -20)},
    character=lambda rng: {
        "base_hz": float(rng.uniform(48, 180)),
        "decay_db": float(rng.uniform(0.3, 3)),
    },
)
def hum(x, rng, *, snr_db: float, base_hz: float, decay_db: float) -> np.ndarray:
    """Add mains hum or a fan: harmonics that fall by `decay_db` each."""
    order = np.arange(1, min(40, int(7500 / base_hz)) + 1)
    gain = db_to_gain(-1) ** (decay_db * (order - 1))
    phase = rng.uniform(0, 2 * np.pi, len(order))
    angle = 2 * np.pi * base_hz * np.outer(order, _seconds(x)) + phase[:, None]
    return add_at_snr(x, gain @ np.sin(angle), snr_db)


@family("speech_modulated_noise", strength={"q_db": linear(55, -3)})
def speech_modulated_noise(x, rng, *, q_db: float) -> np.ndarray:
    """Add noise that follows the speech sample by sample (MNRU of ITU-T P.810)."""
    return x * (1 + db_to_gain(-q_db) * rng.standard_normal(len(x)))
