"""Audio files as arrays, channels averaged."""

from dataclasses import dataclass
from typing import Tuple

import numpy as np

from espnet2_distilmos.utils.audio.checks import SAMPLE_RATE, Checks, average
from espnet2_distilmos.utils.audio.reader import open_audio
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Of one channel, where a file is held in memory as a whole (1 GB): 4.6 h at 16 kHz.
MOST_SAMPLES = 1 << 28


@dataclass
class Recording:
    """A file in memory.

    Attributes:
        samples: (N,) float32, channels averaged.
        rate: sampling rate in Hz.
        channels: of the file.
        plain: see :class:`AudioReader`.
        checks: what is odd about it; what is scored of it is not known yet.
    """

    samples: np.ndarray
    rate: int
    channels: int
    plain: bool
    checks: Checks


def read_recording(path: PathLike) -> Recording:
    """Read a file as a whole, channels averaged.

    Raises:
        UserError: see :func:`open_audio`; or damaged, cut off, too long, without
            samples, NaN or Inf among them.
    """
    with open_audio(path) as f:
        checks, found = Checks(rate=f.rate), []
        # As one block, if its header tells the truth.
        size = min(f.frames or MOST_SAMPLES, (1 << 24) // f.channels)
        for block in f.blocks(max(size, 1)):
            checks.look(block)
            if checks.n_samples > MOST_SAMPLES:
                raise UserError(
                    f"{path}: longer than {MOST_SAMPLES / f.rate / 3600:.1f} h; cut it "
                    "into clips"
                )
            found.append(average(block))
            checks.look_at_average(found[-1])
        if not checks.n_samples:
            raise UserError(f"{path}: holds no samples")
        samples = np.concatenate(found) if len(found) > 1 else found[0]
        if checks.n_bad:
            raise UserError(f"{path}: holds NaN or Inf samples")
        checks.notes = f.notes
        return Recording(samples, f.rate, f.channels, f.plain, checks)


def read_audio(path: PathLike) -> Tuple[np.ndarray, int]:
    """Read a file as float32, channels averaged.

    Returns:
        (N,) samples in [-1, 1] and the sampling rate in Hz.

    Raises:
        UserError: see :func:`read_recording`.
    """
    recording = read_recording(path)
    return recording.samples, recording.rate


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
            f"{path}: {rate} Hz; stage 1 makes {SAMPLE_RATE} Hz files, run it first"
        )
    return samples
