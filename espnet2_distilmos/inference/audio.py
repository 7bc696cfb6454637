"""Any audio as 16 kHz mono, in bounded memory, with what is odd about it."""

from dataclasses import dataclass
from typing import Iterable, Iterator, List, Optional

import numpy as np
import soundfile
import soxr

from espnet2_distilmos.utils.audio import SAMPLE_RATE, open_audio, require_all
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Samples of full scale: a peak below counts as silence (-60 dB), runs above as clipped.
_SILENT = 0.001
_FULL = 0.999
_BLOCK_SECONDS = 10
_BLOCK_SAMPLES = 1 << 24  # of all channels: 64 MB


@dataclass
class Checks:
    """What is odd about a clip, gathered while its samples pass by.

    Attributes:
        n_samples: samples a channel, before resampling.
        n_bad: NaN or Inf among them (all channels); scored as zeros.
        n_clipped: samples in runs of three or more at full scale (all channels).
        peak: largest absolute value.
        channels: of the last block.
    """

    n_samples: int = 0
    n_bad: int = 0
    n_clipped: int = 0
    peak: float = 0.0
    channels: int = 1
    _before: Optional[np.ndarray] = None  # full scale, the last three of the last block

    def look(self, block: np.ndarray) -> np.ndarray:
        """Check (n, channels) samples; return them with zeros for NaN and Inf."""
        self.n_samples += len(block)
        self.channels = block.shape[1]
        finite = np.isfinite(block)
        if not finite.all():
            self.n_bad += int((~finite).sum())
            block = np.where(finite, block, 0.0)
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max(initial=0.0)))
        full = magnitude >= _FULL
        if full.any():
            if self._before is None:
                self._before = np.zeros((3, full.shape[1]), bool)
            run = np.concatenate([self._before, full])
            # The third sample at full scale makes a run, and brings in the two before.
            third = run[3:] & run[2:-1] & run[1:-2]
            self.n_clipped += int(third.sum() + 2 * (third & ~run[:-3]).sum())
            self._before = run[-3:]
        else:
            self._before = None  # no run can reach into the next block
        return block

    def warnings(self) -> List[str]:
        """One short text a finding."""
        found = []
        total = max(self.n_samples * self.channels, 1)
        if self.n_bad:
            found.append(f"{self.n_bad} NaN or Inf samples taken as 0")
        if self.peak < _SILENT:
            found.append("silence (peak below -60 dB)")
        if self.n_clipped:
            found.append(f"clipped ({100 * self.n_clipped / total:.2g} % of samples)")
        elif self.peak > 1.0:
            found.append(f"peak {self.peak:.3g} is over full scale")
        return found


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
    resample = None
    if rate != SAMPLE_RATE:
        resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        mono = checks.look(block).mean(axis=1, dtype=np.float32)
        yield mono if resample is None else resample.resample_chunk(mono)
    if resample is not None:
        yield resample.resample_chunk(np.zeros(0, np.float32), last=True)


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
    """A file that libsndfile reads.

    Attributes:
        path: as given.
        rate: its sampling rate in Hz.
        channels: its channels.
        seconds: its length, by its header.
        checks: filled by :meth:`blocks`.

    Raises:
        UserError: no such file, no audio, or no samples.
    """

    def __init__(self, path: PathLike):
        self.path = str(path)
        self.checks = Checks()
        with open_audio(self.path) as info:
            self.rate, self.channels = info.samplerate, info.channels
            self.seconds = info.frames / info.samplerate
            if info.frames == 0:
                raise UserError(f"{path}: holds no samples")

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield (m,) float32 samples at 16 kHz, some 10 s at a time."""
        self.checks = Checks()
        yield from mono_16k(self._read(), self.rate, self.checks)
        _require_samples(self.checks, self.path)

    def _read(self) -> Iterator[np.ndarray]:
        try:
            with open_audio(self.path) as f:
                # A header may promise any rate and any number of channels.
                size = min(_BLOCK_SECONDS * self.rate, _BLOCK_SAMPLES // f.channels)
                n_read = 0
                # Not f.blocks(), which believes the header: where a file ends before,
                # it hands out whatever the memory held.
                while len(block := f.read(max(size, 1), "float32", always_2d=True)):
                    n_read += len(block)
                    yield block
                require_all(f, self.path, n_read)
        except (OSError, soundfile.SoundFileError) as e:
            raise UserError(f"{self.path}: cannot be read as audio ({e})") from e

    def samples(self) -> np.ndarray:
        """(m,) float32: the whole file at 16 kHz."""
        return np.concatenate(list(self.blocks()))


def _require_samples(checks: Checks, name: str) -> None:
    if checks.n_samples == 0:
        raise UserError(f"{name}: holds no samples")
    if checks.n_bad == checks.n_samples * checks.channels:
        raise UserError(f"{name}: holds nothing but NaN or Inf samples")
