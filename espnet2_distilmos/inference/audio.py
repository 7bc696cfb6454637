"""Any audio as 16 kHz mono, in bounded memory, with what is odd about it."""

import math
from dataclasses import dataclass, field
from typing import Iterable, Iterator, List, Optional

import numpy as np
import soxr

from espnet2_distilmos.utils.audio import (
    SAMPLE_RATE,
    AudioReader,
    open_audio,
    require_rate,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Samples of full scale: a peak below counts as silence (-60 dB), runs above as clipped.
_SILENT = 0.001
_FULL = 0.999
# Averaging n channels that have nothing to do with each other leaves 1/n of their mean
# energy; less than a fifth of that, and they cancel each other.
_CANCELS = 0.2
# Of the energy, what the band up to 8 kHz must keep.
_HEARD = 0.01
_BLOCK_SECONDS = 10
_BLOCK_SAMPLES = 1 << 24  # of all channels: 64 MB


@dataclass
class Checks:
    """What is odd about a clip, gathered while its samples pass by.

    What is scored is the average of the channels at 16 kHz; a file may sound where that
    is silent.

    Attributes:
        n_samples: samples a channel, before resampling.
        n_bad: NaN or Inf among them (all channels); scored as zeros.
        n_clipped: samples in runs of three or more at full scale (all channels).
        peak: largest absolute value.
        channels: of the last block.
        rate: in Hz, before resampling.
        notes: what the reader found odd about the file.
    """

    n_samples: int = 0
    n_bad: int = 0
    n_clipped: int = 0
    peak: float = 0.0
    channels: int = 1
    rate: int = SAMPLE_RATE
    notes: List[str] = field(default_factory=list)
    _before: Optional[np.ndarray] = None  # full scale, the last three of the last block
    # Lowest and highest sample: of each channel, of their average, of what is scored.
    _channels: Optional[np.ndarray] = None  # (2, channels)
    _mono: Optional[np.ndarray] = None  # (2,)
    _heard: Optional[np.ndarray] = None  # (2,)
    # Sums of squares: of the channels' mean, of their average, of what is scored.
    _energy: List[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def look(self, block: np.ndarray) -> np.ndarray:
        """Check (n, channels) samples; return them with zeros for NaN and Inf."""
        self.n_samples += len(block)
        self.channels = block.shape[1]
        if len(block) == 0:
            return block
        ends = _ends(block)
        if not np.isfinite(ends).all():
            finite = np.isfinite(block)
            self.n_bad += int((~finite).sum())
            block = np.where(finite, block, np.float32(0.0))
            ends = _ends(block)
        self._channels = _wider(self._channels, ends)
        peak = float(np.abs(ends).max())
        self.peak = max(self.peak, peak)
        if peak >= _FULL:
            full = np.abs(block) >= _FULL
            if self._before is None:
                self._before = np.zeros((3, full.shape[1]), bool)
            run = np.concatenate([self._before, full])
            # The third sample at full scale makes a run, and brings in the two before.
            third = run[3:] & run[2:-1] & run[1:-2]
            self.n_clipped += int(third.sum() + 2 * (third & ~run[:-3]).sum())
            self._before = run[-3:]
        else:
            self._before = None  # no run can reach into the next block
        if self.channels > 1:
            self._energy[0] += _energy(block) / self.channels
        return block

    def look_at_average(self, mono: np.ndarray) -> None:
        """Check (n,) samples: the channels' average, before it is resampled."""
        if len(mono) and (self.channels > 1 or self.rate > SAMPLE_RATE):
            self._mono = _wider(self._mono, _ends(mono[:, None])[:, 0])
            self._energy[1] += _energy(mono)

    def look_at_scored(self, samples: np.ndarray) -> None:
        """Check (n,) samples of 16 kHz, resampled: what is scored."""
        if len(samples):
            self._heard = _wider(self._heard, _ends(samples[:, None])[:, 0])
            self._energy[2] += _energy(samples)

    def warnings(self) -> List[str]:
        """One short text a finding."""
        found = list(self.notes)
        total = max(self.n_samples * self.channels, 1)
        if self.n_bad:
            found.append(f"{self.n_bad} NaN or Inf samples taken as 0")
        found.extend(self._not_heard())
        if self.n_clipped:
            found.append(f"clipped ({100 * self.n_clipped / total:.2g} % of samples)")
        elif self.peak > 1.0:
            found.append(f"peak {self.peak:.3g} is over full scale")
        return found

    def _not_heard(self) -> List[str]:
        """What of the file does not reach the model."""
        if self._channels is None or self.peak < _SILENT:
            return ["silence (peak below -60 dB)"]
        if _silent(self._channels).all():
            return ["silence (a constant value)"]
        found = []
        all_channels, average, scored = self._energy
        if self.channels > 1:
            dead = int(_silent(self._channels).sum())
            if _silent(self._mono):
                return ["silence: the channels cancel each other when averaged"]
            if average < _CANCELS / self.channels * all_channels:
                lost = 10 * math.log10(all_channels / average)
                found.append(
                    f"channels cancel each other: averaging costs {lost:.0f} dB"
                )
            elif dead:
                found.append(f"{dead} of {self.channels} channels are silent")
        if self._heard is not None and self.rate > SAMPLE_RATE:
            # A clip of a few samples may be of none at 16 kHz.
            per_sample = self.rate / SAMPLE_RATE
            if np.abs(self._heard).max() < _SILENT:
                found.append("silence at 16 kHz: all of its sound is above 8 kHz")
            elif scored * per_sample < _HEARD * average:
                found.append("most of its sound is above 8 kHz, which is not heard")
        return found


def _ends(block: np.ndarray) -> np.ndarray:
    """(2, channels): the lowest and the highest of (n, channels) samples."""
    if block.shape[1] == 1:  # much faster than along an axis
        return np.array([[block.min()], [block.max()]])
    return np.stack([block.min(axis=0), block.max(axis=0)])


def _wider(known: Optional[np.ndarray], ends: np.ndarray) -> np.ndarray:
    if known is None or known.shape != ends.shape:
        return ends
    return np.stack([np.minimum(known[0], ends[0]), np.maximum(known[1], ends[1])])


def _silent(ends: np.ndarray) -> np.ndarray:
    """Whether nothing moves between the lowest and the highest sample."""
    return ends[1] - ends[0] < 2 * _SILENT


def _energy(block: np.ndarray) -> float:
    flat = block.ravel()
    return float(np.dot(flat, flat))


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
        block = checks.look(block)
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
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
    """Samples in memory as 16 kHz mono.

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
        """(m,) float32: the whole file at 16 kHz; None if it is too long.

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
