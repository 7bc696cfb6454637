"""A picture of one clip: waveform, spectrogram and frame scores over time."""

from collections.abc import Iterable, Iterator
from typing import Tuple

import numpy as np

from espnet2_distilmos.inference.inputs import Clip
from espnet2_distilmos.report.canvas import BLUE, GREY, ORANGE, canvas
from espnet2_distilmos.utils.audio import average, open_audio
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels

_MOST_COLUMNS = 2000
_WINDOW, _HOP = 0.025, 0.01  # seconds


def plot_clip(
    path: PathLike,
    clip: Clip,
    frame_mos: np.ndarray,
    frame_shift: float,
    mos: float,
    labels: Labels,
) -> None:
    """Draw a clip.

    Args:
        path: PNG to write.
        clip: the clip; its file is read again, a piece at a time.
        frame_mos: (T,) frame scores.
        frame_shift: seconds between two of them.
        mos: the clip's score.
        labels: what the model was trained to predict, for heading and axis.
    """
    low, high, levels, seconds, rate = _look_at(clip.path, len(frame_mos) * frame_shift)
    with canvas(path, 3, size=(10.0, 2.0), columns=1) as (_, (wave, spec, score)):
        times = np.linspace(0.0, seconds, len(low))
        wave.fill_between(times, low, high, color=BLUE, linewidth=0.3)
        wave.set_ylabel("amplitude")
        wave.set_title(f"{clip.name}: {mos:.2f} (predicted {labels.axis})")
        spec.imshow(
            levels,
            origin="lower",
            aspect="auto",
            extent=(0.0, seconds, 0.0, rate / 2000),
            vmin=levels.max() - 80,
            cmap="magma",
        )
        spec.grid(False)
        spec.set_ylabel("frequency (kHz)")
        score.plot(
            (np.arange(len(frame_mos)) + 0.5) * frame_shift, frame_mos, color=ORANGE
        )
        score.axhline(mos, color=GREY, linestyle="--", linewidth=0.8)
        score.set_ylabel(f"frame {labels.name}")
        score.set_xlabel("time (s)")
        for ax in (wave, spec, score):
            ax.set_xlim(0.0, seconds)


def _look_at(
    path: str, about: float
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Return the envelope and spectrogram of a file in at most some 2000 columns.

    Args:
        path: the file.
        about: its length in seconds, where its header does not tell.

    Returns:
        (C,) minima and (C,) maxima a column, (F, C) levels in dB, seconds, Hz.
    """
    with open_audio(path) as f:
        rate = f.rate
        n = int(about * rate) if f.frames is None else f.frames
        hop = max(int(_HOP * rate), n // _MOST_COLUMNS, 1)
        window = max(int(_WINDOW * rate), 2)
        taper = np.hanning(window)
        low, high, levels = [], [], []
        for block in _columns(f.blocks(10 * rate), max(hop, window), hop):
            low.append(block[:hop].min())
            high.append(block[:hop].max())
            levels.append(np.abs(np.fft.rfft(block[:window] * taper)))
        decibels = 20 * np.log10(np.maximum(np.stack(levels, axis=1), 1e-5))
        return np.array(low), np.array(high), decibels, f.n_read / rate, rate


def _columns(blocks: Iterable[np.ndarray], size: int, hop: int) -> Iterator[np.ndarray]:
    """Yield (size,) samples every `hop` of (n, channels) blocks; zeros at the end."""
    kept = np.zeros(0, np.float32)
    for block in blocks:
        mono = np.nan_to_num(average(block), posinf=0.0, neginf=0.0)
        kept = np.concatenate([kept, mono])
        at = 0
        while at + size <= len(kept):
            yield kept[at : at + size]
            at += hop
        kept = kept[at:]
    for at in range(0, max(len(kept) - (size - hop), 1), hop):
        yield np.pad(kept[at:], (0, size))[:size]
