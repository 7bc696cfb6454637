"""Small signal helpers that all degradations share: levels, seeds, alignment."""

import hashlib

import numpy as np
import scipy.fft
import scipy.signal

LEVEL_DB = -26.0  # dB re full scale, the usual level of speech test material
_TINY = 1e-12


class Unusable(Exception):
    """A recording or clip that has to be left out; the message says why."""


def generator(*names: object) -> np.random.Generator:
    """Return a random generator whose seed is the SHA-256 of `names`.

    What it draws depends on the names alone: not on the process, the order or the
    number of jobs, and not on Python's hash seed.
    """
    text = "/".join(map(str, names))
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def rms(x: np.ndarray) -> float:
    """Return the root mean square of `x` (T,), never below 1e-12."""
    return max(float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))), _TINY)


def db_to_gain(db: float) -> float:
    """Return the amplitude factor of a level difference in dB."""
    return float(10.0 ** (db / 20.0))


def set_level(x: np.ndarray, db: float = LEVEL_DB) -> np.ndarray:
    """Scale `x` (T,) to an RMS of `db` re full scale."""
    return x * (db_to_gain(db) / rms(x))


def add_at_snr(x: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add `noise` (T,), scaled to `snr_db` below the RMS of `x` (T,)."""
    return x + noise * (rms(x) / rms(noise) / db_to_gain(snr_db))


def delay_of(reference: np.ndarray, x: np.ndarray, most: int) -> int:
    """Return samples by which `x` lags `reference`, within +-`most`.

    The peak of the cross-correlation, which a codec's filters leave sharp.
    """
    size = scipy.fft.next_fast_len(len(reference) + len(x), real=True)
    spectrum = scipy.fft.rfft(x, size) * np.conj(scipy.fft.rfft(reference, size))
    correlation = scipy.fft.irfft(spectrum, size)
    lags = np.arange(-most, most + 1)
    return int(lags[np.argmax(correlation[lags])])


def align(reference: np.ndarray, x: np.ndarray, most: int = 4000) -> np.ndarray:
    """Return `x` shifted onto `reference` and cut or zero-padded to its length.

    Args:
        reference: clean clip (T,).
        x: the clip after a codec, (any length); it may lag or lead.
        most: largest shift looked for, in samples.
    """
    lag = delay_of(reference, x, most)
    x = x[lag:] if lag >= 0 else np.concatenate([np.zeros(-lag, x.dtype), x])
    x = x[: len(reference)]
    return np.pad(x, (0, len(reference) - len(x)))


def stft(x: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return the complex spectrum (F, N), Hann windows; :func:`istft` inverts it."""
    _, _, z = scipy.signal.stft(x, nperseg=size, noverlap=size - hop)
    return z


def istft(z: np.ndarray, size: int, hop: int, length: int) -> np.ndarray:
    """Invert :func:`stft`: (F, N) to (`length`,)."""
    _, y = scipy.signal.istft(z, nperseg=size, noverlap=size - hop)
    return np.pad(y, (0, max(0, length - len(y))))[:length]
