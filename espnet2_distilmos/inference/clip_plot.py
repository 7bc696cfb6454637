"""A picture of one clip: waveform, spectrogram and frame scores over time."""

from typing import Tuple

import numpy as np
import soundfile

from espnet2_distilmos.inference.inputs import Clip
from espnet2_distilmos.scoring.canvas import BLUE, GREY, ORANGE, canvas
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
    low, high, levels, seconds, rate = _look_at(clip.path)
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


def _look_at(path: str) -> Tuple[np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Envelope and spectrogram of a file in at most some 2000 columns.

    Returns:
        (C,) minima and (C,) maxima a column, (F, C) levels in dB, seconds, Hz.
    """
    with soundfile.SoundFile(path) as f:
        rate, n = f.samplerate, f.frames
        hop = max(int(_HOP * rate), n // _MOST_COLUMNS, 1)
        window = max(int(_WINDOW * rate), 2)
        size = max(hop, window)
        taper = np.hanning(window)
        low, high, levels = [], [], []
        for block in f.blocks(
            size, overlap=size - hop, dtype="float32", always_2d=True, fill_value=0.0
        ):
            block = np.nan_to_num(block.mean(axis=1), posinf=0.0, neginf=0.0)
            low.append(block[:hop].min())
            high.append(block[:hop].max())
            levels.append(np.abs(np.fft.rfft(block[:window] * taper)))
    decibels = 20 * np.log10(np.maximum(np.stack(levels, axis=1), 1e-5))
    return np.array(low), np.array(high), decibels, n / rate, rate
