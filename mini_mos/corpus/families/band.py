"""Filters and holes in the spectrum. Frequencies in Hz."""

import numpy as np
import scipy.signal

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from mini_mos.corpus.families.registry import family, linear, log
from mini_mos.corpus.signal import istft, stft


def _butterworth(x: np.ndarray, order: int, hz: float, kind: str) -> np.ndarray:
    sos = scipy.signal.butter(order, hz, kind, fs=SAMPLE_RATE, output="sos")
    return scipy.signal.sosfilt(sos, x)


def _order(rng: np.random.Generator) -> dict:
    return {"order": int(rng.integers(2, 9))}


@family("low_pass", strength={"cutoff_hz": log(7800, 300)}, character=_order)
def low_pass(x, rng, *, cutoff_hz: float, order: int) -> np.ndarray:
    """Apply a Butterworth low-pass: muffled, telephone-like."""
    return _butterworth(x, order, cutoff_hz, "lowpass")


@family("high_pass", strength={"cutoff_hz": log(60, 3500)}, character=_order)
def high_pass(x, rng, *, cutoff_hz: float, order: int) -> np.ndarray:
    """Apply a Butterworth high-pass: thin, tinny."""
    return _butterworth(x, order, cutoff_hz, "highpass")


@family(
    "spectral_holes",
    strength={"share": log(0.003, 0.7)},
    character=lambda rng: {
        "width_hz": float(np.exp(rng.uniform(np.log(60), np.log(900)))),
        "hold_ms": float(np.exp(rng.uniform(np.log(16), np.log(250)))),
    },
)
def spectral_holes(
    x, rng, *, share: float, width_hz: float, hold_ms: float
) -> np.ndarray:
    """Mute a share of time-frequency tiles, as a starved transform codec does."""
    size, hop = 512, 128
    z = stft(x, size, hop)
    bins = max(1, round(width_hz * size / SAMPLE_RATE))
    frames = max(1, round(hold_ms * SAMPLE_RATE / 1000 / hop))
    tiles = rng.random((-(-z.shape[0] // bins), -(-z.shape[1] // frames))) >= share
    mask = tiles.repeat(bins, axis=0).repeat(frames, axis=1)
    return istft(z * mask[: z.shape[0], : z.shape[1]], size, hop, len(x))


@family(
    "over_suppression",
    strength={"snr_db": linear(50, -3)},
    character=lambda rng: {
        "threshold": float(rng.uniform(1.0, 4.0)),
        "floor_db": float(rng.uniform(-40, -12)),
    },
)
def over_suppression(
    x, rng, *, snr_db: float, threshold: float, floor_db: float
) -> np.ndarray:
    """Add white noise, then gate the spectrum: speech goes, musical tones stay."""
    size, hop = 512, 128
    level = np.sqrt(np.mean(x**2)) * 10 ** (-snr_db / 20)
    z = stft(x + level * rng.standard_normal(len(x)), size, hop)
    # What scipy's scaling leaves of white noise of this level in one bin.
    window = scipy.signal.get_window("hann", size)
    noise = level * np.sqrt(np.sum(window**2)) / np.sum(window)
    gain = 1 - threshold * noise / np.maximum(np.abs(z), 1e-12)
    return istft(z * np.maximum(gain, 10 ** (floor_db / 20)), size, hop, len(x))
