"""Any audio as 16 kHz mono, in bounded memory, with what is odd about it."""

import math
from typing import Iterable, Iterator, Optional

import numpy as np
import soxr

from espnet2_distilmos.utils.audio import (
    SAMPLE_RATE,
    AudioReader,
    Checks,
    average,
    open_audio,
    require_rate,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

_BLOCK_SECONDS = 10
_BLOCK_SAMPLES = 1 << 24  # of all channels: 64 MB


def mono_16k(
    blocks: Iterable[np.ndarray], rate: int, checks: Checks
) -> Iterator[np.ndarray]:
    """Average channels and resample a stream; the same for any size of block.

    Args:
        blocks: (n, channels) float32 samples.
        rate: their sampling rate in Hz.
        checks: sees every sample.

    Yields:
        (m,) float32 samples at 16 kHz.
    """
    checks.rate = rate
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        mono = average(checks.look(block))
        checks.look_at_average(mono)
        if resample is not None:
            mono = resample.resample_chunk(mono)
            checks.look_at_scored(mono)
        yield mono
    if resample is not None:
        mono = resample.resample_chunk(np.zeros(0, np.float32), last=True)
        checks.look_at_scored(mono)
        yield mono


def from_array(speech, fs: int, checks: Checks) -> np.ndarray:
    """Return samples in memory as 16 kHz mono.

    Args:
        speech: numpy array or torch tensor, (n,) or (channels, n); floats in
            [-1, 1], or integers of full scale.
        fs: sampling rate in Hz.
        checks: sees every sample.

    Returns:
        (m,) float32.

    Raises:
        UserError: another shape, no samples, no rate, or nothing but NaN.
    """
    if hasattr(speech, "detach"):  # a tensor, on whatever device
        speech = speech.detach().cpu()
        speech = (speech.float() if speech.is_floating_point() else speech).numpy()
    speech = np.asarray(speech)
    if not isinstance(fs, (int, np.integer)) or isinstance(fs, bool) or fs <= 0:
        raise UserError(f"fs must be a sampling rate in Hz, not {fs!r}")
    require_rate(int(fs), "speech")
    if speech.ndim not in (1, 2) or speech.size == 0:
        raise UserError(
            f"speech must be (n,) or (channels, n) samples, not {speech.shape}"
        )
    if speech.ndim == 2 and speech.shape[0] > max(speech.shape[1], 8):
        raise UserError(
            f"speech of shape {speech.shape} would have {speech.shape[0]} channels; "
            "(channels, n) is expected: transpose it"
        )
    if speech.dtype.kind == "i":
        speech = speech / -float(np.iinfo(speech.dtype).min)
    elif speech.dtype.kind != "f":
        raise UserError(f"speech must be floats or signed integers, not {speech.dtype}")
    block = np.atleast_2d(speech).T.astype(np.float32)
    samples = np.concatenate(list(mono_16k([block], int(fs), checks)))
    _require_samples(checks, "speech")
    return samples


class AudioFile:
    """A file of any format.

    Attributes:
        path: as given.
        rate: its sampling rate in Hz.
        channels: its channels.
        frames: samples a channel by its header, which may be wrong; None: not told.
        checks: filled by :meth:`blocks`.

    Raises:
        UserError: no such file, no audio, or no samples; see
            :func:`espnet2_distilmos.utils.audio.open_audio`.
    """

    def __init__(self, path: PathLike):
        self.path = str(path)
        self.checks = Checks()
        # Kept for the first reading: opening is a good part of a short clip's time.
        self._opened: Optional[AudioReader] = open_audio(self.path)
        self.rate, self.channels = self._opened.rate, self._opened.channels
        self.frames = self._opened.frames
        if self.frames == 0:
            self.close()
            raise UserError(f"{path}: holds no samples")

    def close(self) -> None:
        """Close the file, if it is not to be read now; it can be read later."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def seconds(self) -> float:
        """Its length: what was read, or, before that, what its header tells."""
        return (self.checks.n_samples or self.frames or 0) / self.rate

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield (m,) float32 samples at 16 kHz, some 10 s at a time."""
        self.checks = Checks()
        yield from mono_16k(self._read(), self.rate, self.checks)
        _require_samples(self.checks, self.path)

    def _read(self) -> Iterator[np.ndarray]:
        opened, self._opened = self._opened, None
        with opened or open_audio(self.path) as f:
            # A header may promise any rate and any number of channels.
            size = min(_BLOCK_SECONDS * f.rate, _BLOCK_SAMPLES // f.channels)
            yield from f.blocks(max(size, 1))
            self.checks.notes = f.notes

    def samples(self, most: Optional[float] = None) -> Optional[np.ndarray]:
        """Return (m,) float32: the whole file at 16 kHz; None if it is too long.

        Args:
            most: seconds that are held in memory at most; None = any number.
        """
        limit = math.inf if most is None else most * self.rate
        if (self.frames or 0) > limit:
            self.close()
            return None
        blocks = []
        for block in self.blocks():
            blocks.append(block)
            if self.checks.n_samples > limit:  # whatever its header says
                return None
        return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def _require_samples(checks: Checks, name: str) -> None:
    if checks.n_samples == 0:
        raise UserError(f"{name}: holds no samples")
    if checks.n_bad == checks.n_samples * checks.channels:
        raise UserError(f"{name}: holds nothing but NaN or Inf samples")
