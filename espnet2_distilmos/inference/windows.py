"""Long clips in bounded memory: overlapping windows, stitched frame by frame.

The rule: a clip of at most `size` samples is scored whole. A longer one is scored in
windows of `size` samples that start every `hop` samples; the last window is moved back
to end with the clip. Where windows overlap, the frame scores are crossfaded linearly.
The clip's score is the mean of the stitched frame scores.
"""

from typing import Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.utils.audio import SAMPLE_RATE

# Seconds. Training drops clips over 20 s, and memory grows faster than length.
WINDOW = 20.0
OVERLAP = 4.0


class Windows:
    """The rule for one model.

    Args:
        unit: samples a frame score; windows start at multiples of it, so that their
            frames fall on those of the whole clip.
        size: samples of a window.
        overlap: samples that neighbours share, at least (but for rounding to `unit`).
    """

    def __init__(self, unit: int, size: int, overlap: int):
        self.unit = unit
        self.size = max(size, 2 * unit)
        self.hop = max((self.size - overlap) // unit, 1) * unit

    @property
    def told(self) -> str:
        """What is scored, in words."""
        return f"windows of {self.size / SAMPLE_RATE:g} s"

    def split(self, blocks: Iterable[np.ndarray]) -> Iterator[Tuple[int, np.ndarray]]:
        """Cut a stream of samples; holds one window and one block at a time.

        Args:
            blocks: (n,) arrays, any sizes; the clip is their concatenation.

        Yields:
            First frame and (n,) samples of each window, in order.
        """
        buffer = np.zeros(0, dtype=np.float32)
        offset = 0  # sample of the clip that the buffer begins with
        start = 0  # of the next window
        for block in blocks:
            buffer = np.concatenate([buffer, block])
            while start + self.size < offset + len(buffer):
                yield start // self.unit, buffer[start - offset :][: self.size]
                # The last window may begin anywhere after this one.
                buffer, offset = buffer[start - offset :], start
                start += self.hop
        end = offset + len(buffer)
        if end > self.size:
            start = -(-(end - self.size) // self.unit) * self.unit
        yield start // self.unit, buffer[start - offset :]

    def join(self, pieces: Sequence[Tuple[int, Score]]) -> Score:
        """Stitch windows: the first frame and the scores of each."""
        if len(pieces) == 1:
            return pieces[0][1]
        starts = [first for first, _ in pieces]
        of_scales = zip(*(score.further for _, score in pieces))
        return Score(
            *joined(starts, [score.frame_mos for _, score in pieces]),
            tuple(joined(starts, [x for _, x in parts]) for parts in of_scales),
        )


def joined(
    starts: Sequence[int], parts: Sequence[np.ndarray]
) -> Tuple[float, np.ndarray]:
    """Return the score and (T,) frame scores of a clip; see :func:`stitch`.

    Args:
        starts: first frame of each window.
        parts: (T_i,) scores of each.
    """
    frames = stitch(list(zip(starts, parts, strict=True)))
    return float(frames.mean(dtype=np.float64)), frames


def stitch(pieces: List[Tuple[int, np.ndarray]]) -> np.ndarray:
    """Join the frame scores of windows.

    Args:
        pieces: first frame and (T_i,) scores of each window, in order; each begins
            before the one before it ends.

    Returns:
        (T,) scores of the clip.
    """
    joined = pieces[0][1]
    for first, scores in pieces[1:]:
        shared = len(joined) - first
        fade = np.arange(1, shared + 1, dtype=np.float32) / (shared + 1)
        mixed = (1 - fade) * joined[first:] + fade * scores[:shared]
        joined = np.concatenate([joined[:first], mixed, scores[shared:]])
    return joined
