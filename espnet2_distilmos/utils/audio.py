"""Audio files: what libsndfile reads."""

from typing import Tuple

import numpy as np
import soundfile

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

SAMPLE_RATE = 16000


def read_audio(path: PathLike) -> Tuple[np.ndarray, int]:
    """Read a file as float32, channels averaged.

    Returns:
        (N,) samples in [-1, 1] and the sampling rate in Hz.

    Raises:
        UserError: no such file, no audio, no samples, or NaN or Inf among them.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as e:
        raise UserError(f"{path}: cannot be read as audio ({e})") from e
    if len(samples) == 0:
        raise UserError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: holds NaN or Inf samples")
    return samples.mean(axis=1), rate


def read_16k(path: PathLike) -> np.ndarray:
    """Read a file that stage 1 has formatted.

    Returns:
        (N,) float32 samples at 16 kHz.

    Raises:
        UserError: as :func:`read_audio`, or another sampling rate.
    """
    samples, rate = read_audio(path)
    if rate != SAMPLE_RATE:
        raise UserError(
            f"{path}: {rate} Hz; stage 1 makes 16000 Hz files, run it first"
        )
    return samples
