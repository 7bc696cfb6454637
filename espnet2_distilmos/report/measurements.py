"""Measurements of a clip without any model: what is heard, in plain figures."""

from typing import Any, List

import numpy as np
import scipy.fft
import scipy.signal

from espnet2_distilmos.utils.audio import SAMPLE_RATE

WINDOW, HOP = 512, 160  # samples
SPECTRAL_BANDS, LOG_MEL_BANDS = 24, 64
_FLOOR = 1e-10


def _mel_matrix(bands: int) -> np.ndarray:
    """Triangular filters (bands, WINDOW // 2 + 1), 60 Hz to 8 kHz."""
    hz = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW
    low_end, high_end = 2595 * np.log10(1 + np.array([60.0, SAMPLE_RATE / 2]) / 700)
    edges = 700 * (10 ** (np.linspace(low_end, high_end, bands + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (middle - low), (high - hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


_SPECTRAL_MEL = _mel_matrix(SPECTRAL_BANDS)
_LOG_MEL = _mel_matrix(LOG_MEL_BANDS)


def _db(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, _FLOOR))


def _mean_std(values: np.ndarray) -> List[float]:
    return [float(np.mean(values)), float(np.std(values))]


def _waveform(x: np.ndarray) -> List[float]:
    """Duration (s), level (dB), crest (dB), zero crossings, peaks, holds, kurtosis."""
    square = x * x
    power = float(np.mean(square))
    peak = float(np.max(np.abs(x)))
    crossings = float(np.mean(np.signbit(x[1:]) != np.signbit(x[:-1])))
    return [
        len(x) / SAMPLE_RATE,
        float(_db(power)),
        float(_db(peak**2) - _db(power)),
        crossings,
        float(np.mean(np.abs(x) > 0.98 * peak)),  # clipping piles samples up there
        float(np.mean(x[1:] == x[:-1])),  # muted or held samples
        float(np.mean(square * square)) / max(power, _FLOOR) ** 2,
    ]


def _modulation(envelope: np.ndarray) -> List[float]:
    """Shares of the power of the level contour (N,) in octaves from 1 to 50 Hz."""
    spectrum = np.abs(scipy.fft.rfft(envelope - envelope.mean(), 512)) ** 2
    hz = scipy.fft.rfftfreq(512, HOP / SAMPLE_RATE)
    edges = [1, 2, 4, 8, 16, 32, 50]
    total = max(float(spectrum[hz >= 1].sum()), _FLOOR)
    return [
        float(spectrum[(hz >= a) & (hz < b)].sum() / total)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def _power(x: np.ndarray) -> np.ndarray:
    """Power spectra (N, WINDOW // 2 + 1) of a clip (T,), relative to its level."""
    x = np.pad(x, (0, max(0, WINDOW + 2 * HOP - len(x))))  # at least three frames
    x = x / max(float(np.sqrt(np.mean(x**2))), 1e-9)
    view = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    window = scipy.signal.get_window("hann", WINDOW)
    return np.abs(scipy.fft.rfft(view * window)) ** 2 + _FLOOR


def spectral_statistics(x: np.ndarray) -> np.ndarray:
    """Measure 114 simple statistics of a clip (T,) at 16 kHz, float in [-1, 1].

    Spectra are taken relative to the clip's level, which quality does not depend on.
    """
    x = np.asarray(x, np.float64)
    wave = _waveform(np.pad(x, (0, max(0, WINDOW - len(x)))))
    power = _power(x)
    mel = _db(power @ _SPECTRAL_MEL.T)  # (N, SPECTRAL_BANDS)
    hz = np.arange(power.shape[1]) * SAMPLE_RATE / WINDOW
    total = power.sum(1)
    level = _db(total)
    share = np.cumsum(power, 1) / total[:, None]
    centroid = power @ hz / total
    rolloff = [hz[np.argmax(share >= q, axis=1)] for q in (0.5, 0.85, 0.99)]
    flatness = _db(np.exp(np.log(power).mean(1)) / power.mean(1))
    delta = np.diff(mel, axis=0)
    silent = level < np.percentile(level, 95) - 35
    parts = [
        wave,
        mel.mean(0),
        mel.std(0),
        np.percentile(mel, 10, axis=0),
        delta.std(0)[::2],
        _modulation(level),
        np.percentile(level, [1, 5, 25, 75]) - level.max(),
        [float(silent.mean())],
        *(_mean_std(v) for v in (centroid, *rolloff, flatness)),
        _mean_std(np.abs(delta).mean(1)),
    ]
    return np.concatenate([np.ravel(p) for p in parts])


def log_mel_statistics(x: np.ndarray) -> np.ndarray:
    """Compute statistics (6 * LOG_MEL_BANDS,) of the log-mel spectrum of a clip.

    Of each band: mean, deviation, 10th and 90th percentile over time (dB), and the mean
    size and the deviation of the differences between frames (dB). As in
    :func:`spectral_statistics`, spectra are relative to the clip's level.

    Args:
        x: samples (T,) at 16 kHz, float in [-1, 1].
    """
    mel = _db(_power(np.asarray(x, np.float64)) @ _LOG_MEL.T)
    delta = np.diff(mel, axis=0)
    low, high = np.percentile(mel, [10, 90], axis=0)
    parts = [mel.mean(0), mel.std(0), low, high, np.abs(delta).mean(0), delta.std(0)]
    return np.concatenate(parts)
