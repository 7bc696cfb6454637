"""What is odd about a clip, and what of it does not reach the model."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import List, Optional

import numpy as np

SAMPLE_RATE = 16000  # Hz: what the upstreams take, and wideband PESQ
# Samples of full scale: a peak below counts as silence (-60 dB), runs above as clipped.
_SILENT = 0.001
_FULL = 0.999
_SILENCE = "silence"  # so begin all warnings that nothing is to be heard
# Averaging n channels that have nothing to do with each other leaves 1/n of their mean
# energy; less than a fifth of that, and they cancel each other.
_CANCELS = 0.2
# Of the energy, what the band up to 8 kHz must keep.
_HEARD = 0.01


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
        """Return one short text a finding."""
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
        """Return what of the file does not reach the model."""
        if self._channels is None or self.peak < _SILENT:
            return [f"{_SILENCE} (peak below -60 dB)"]
        if _silent(self._channels).all():
            return [f"{_SILENCE} (a constant value)"]
        found = []
        all_channels, average, scored = self._energy
        if self.channels > 1 and self._mono is not None:
            dead = int(_silent(self._channels).sum())
            if _silent(self._mono):
                return [f"{_SILENCE}: the channels cancel each other when averaged"]
            if average < _CANCELS / self.channels * all_channels:
                lost = 10 * math.log10(all_channels / average)
                found.append(
                    f"channels cancel each other: averaging costs {lost:.0f} dB"
                )
            elif dead:
                found.append(f"{dead} of {self.channels} channels are silent")
        if self._heard is not None and self.rate > SAMPLE_RATE:
            share = scored * self.rate / SAMPLE_RATE / average if average else 1.0
            # Not by the peak alone: a sudden start has all frequencies.
            if np.abs(self._heard).max() < _SILENT or share < _HEARD / 100:
                found.append(f"{_SILENCE} at 16 kHz: all of its sound is above 8 kHz")
            elif share < _HEARD:
                found.append("most of its sound is above 8 kHz, which is not heard")
        return found


def is_silent(warnings: Iterable[str]) -> bool:
    """Tell by its warnings whether what is scored of a clip is silent.

    The score of such a clip means nothing, and means of scores leave it out.
    """
    return any(text.startswith(_SILENCE) for text in warnings)


def average(block: np.ndarray) -> np.ndarray:
    """Return (n,): the mean of the channels of (n, channels) samples."""
    if block.shape[1] == 1:
        return block[:, 0]
    if block.shape[1] < 8:  # to the bit the same, and thirty times as fast
        return np.ascontiguousarray(block.T).mean(axis=0)
    return block.mean(axis=1)


def _ends(block: np.ndarray) -> np.ndarray:
    """Return (2, channels): the lowest and the highest of (n, channels) samples."""
    lines = np.ascontiguousarray(block.T)  # a hundred times as fast as along axis 0
    return np.stack([lines.min(axis=1), lines.max(axis=1)])


def _wider(known: Optional[np.ndarray], ends: np.ndarray) -> np.ndarray:
    if known is None or known.shape != ends.shape:
        return ends
    return np.stack([np.minimum(known[0], ends[0]), np.maximum(known[1], ends[1])])


def _silent(ends: np.ndarray) -> np.ndarray:
    """Tell whether nothing moves between the lowest and the highest sample."""
    return ends[1] - ends[0] < 2 * _SILENT


def _energy(block: np.ndarray) -> float:
    flat = block.ravel()
    return float(np.dot(flat, flat))
