"""What a page draws of a clip: the envelope of its waveform and its frame scores.

Both are thinned to some hundred values of 8 bits, so that thousands of clips fit into
one page: about 900 bytes a clip with all else.
"""

import base64
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np

from espnet2_distilmos.utils.audio import Checks, average, open_audio
from espnet2_distilmos.utils.files import PathLike

# Values a clip, at most; a laptop's screen is a few times as wide.
COLUMNS = 240
_STEP = 0.01  # seconds: of one value before thinning
_LEVELS = 255


@dataclass(frozen=True)
class Wave:
    """The envelope of a clip.

    Attributes:
        peaks: (C,) largest absolute sample of each C-th part of the clip.
        seconds: length of the clip.
        warnings: what is odd about it, as the scorer says it; above all silence.
    """

    peaks: np.ndarray
    seconds: float
    warnings: List[str] = field(default_factory=list)

    def as_data(self) -> Dict[str, Any]:
        """Return plain types: the peak, and `peaks` as parts of it."""
        peak = float(self.peaks.max(initial=0.0))
        return {"peak": round(peak, 4), "wave": _as_bytes(self.peaks, 0.0, peak)}


def wave_of(path: PathLike) -> Wave:
    """Read a file, a piece at a time, and return its envelope (channels averaged).

    Raises:
        UserError: it cannot be read.
    """
    found, kept = [], np.zeros(0, np.float32)
    with open_audio(path) as f:
        step = max(int(_STEP * f.rate), 1)
        checks = Checks(rate=f.rate)
        for block in f.blocks(10 * f.rate):
            mono = average(checks.look(block))
            checks.look_at_average(mono)
            kept = np.concatenate([kept, np.abs(mono)])
            whole = len(kept) // step * step
            found.append(kept[:whole].reshape(-1, step).max(axis=1))
            kept = kept[whole:]
        if len(kept):
            found.append(kept.max(keepdims=True))
        peaks = np.concatenate(found) if found else kept
        checks.notes = f.notes
        return Wave(_thin(peaks, np.maximum), f.n_read / f.rate, checks.warnings())


def frames_as_data(frame_mos: np.ndarray, frame_shift: float) -> Dict[str, Any]:
    """Return frame scores as plain types; each value is the mean of its frames.

    Args:
        frame_mos: (T,) scores, T of at least 1.
        frame_shift: seconds between two of them.

    Returns:
        `from` and `to`, the lowest and highest value; `frames`, the values between
        them; `span`, the seconds that they stand for.
    """
    values = _thin(np.asarray(frame_mos, np.float64), np.add)
    n = len(values)
    edges = _edges(len(frame_mos), n)
    values = values / np.diff([*edges, len(frame_mos)])
    low, high = float(values.min()), float(values.max())
    return {
        "from": round(low, 4),
        "to": round(high, 4),
        "frames": _as_bytes(values, low, high),
        "span": round(len(frame_mos) * frame_shift, 4),
    }


def picture_of(
    wave: Optional[Wave], frame_mos: Optional[np.ndarray], frame_shift: float
) -> Dict[str, Any]:
    """Return what is known of both as plain types, for one clip of a page.

    Frame scores of which some are missing (NaN: no crop has them) are not shown.
    """
    data = {} if wave is None or not len(wave.peaks) else wave.as_data()
    if frame_mos is not None and len(frame_mos) and not np.isnan(frame_mos).any():
        data.update(frames_as_data(frame_mos, frame_shift))
    return data


def _edges(n: int, columns: int) -> np.ndarray:
    return np.arange(columns) * n // columns


def _thin(values: np.ndarray, join: np.ufunc) -> np.ndarray:
    """Join neighbours until at most :data:`COLUMNS` values are left."""
    if not len(values):
        return values
    return join.reduceat(values, _edges(len(values), min(len(values), COLUMNS)))


def _as_bytes(values: np.ndarray, low: float, high: float) -> str:
    """Return values between `low` and `high` as 8 bits each, in base64."""
    scaled = (values - low) * (_LEVELS / (high - low)) if high > low else 0 * values
    levels = np.clip(np.rint(scaled), 0, _LEVELS).astype(np.uint8)
    return base64.b64encode(levels.tobytes()).decode()
