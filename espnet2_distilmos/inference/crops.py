"""Several crops of a clip in the place of all of it, for models trained on crops.

The rule: a clip of at most `size` samples is scored whole. Of a longer one, crops of
that length (or less, by less than a frame) are scored, evenly spaced: the first begins
with the clip, the last ends with it, and all begin at multiples of a frame. The clip's
score is the mean of theirs. Frame scores are the mean of the crops that have the frame,
and NaN where none has it.
"""

from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from espnet2_distilmos.inference.backend import Backend
from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.inference.windows import Windows
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.audio.crops import crop_samples, frames_left_out
from espnet2_distilmos.utils.errors import UserError


class Crops:
    """The rule for one model; takes the place of :class:`Windows`.

    Args:
        unit: samples a frame score.
        size: samples of a crop, at most.
        number: how many crops, two or more; fewer where they would be the same.
    """

    def __init__(self, unit: int, size: int, number: int):
        self.unit, self.size, self.number = unit, size, number

    @property
    def told(self) -> str:
        """What is scored, in words."""
        return f"{self.number} crops of {self.size / SAMPLE_RATE:g} s"

    def split(self, blocks: Iterable[np.ndarray]) -> Iterator[Tuple[int, np.ndarray]]:
        """Cut a stream of samples, which is held: its length says where crops lie.

        Args:
            blocks: (n,) arrays, any sizes; the clip is their concatenation.

        Yields:
            First frame and (n,) samples of each crop, in order; all as long.
        """
        clip = np.concatenate([np.zeros(0, np.float32), *blocks])
        left_out = frames_left_out(len(clip), self.size, self.unit)
        gaps = self.number - 1
        starts = [(2 * i * left_out + gaps) // (2 * gaps) for i in range(self.number)]
        for start in dict.fromkeys(starts):
            end = len(clip) - (left_out - start) * self.unit
            yield start, clip[start * self.unit : end]

    def join(self, pieces: Sequence[Tuple[int, Score]]) -> Score:
        """Average crops: the first frame and the scores of each."""
        if len(pieces) == 1:
            return pieces[0][1]
        starts = [first for first, _ in pieces]
        scores = [score for _, score in pieces]
        of_scales = zip(*(score.further for score in scores))
        return Score(
            _mean([score.mos for score in scores]),
            _frames(starts, [score.frame_mos for score in scores]),
            tuple(
                (_mean([x for x, _ in parts]), _frames(starts, [y for _, y in parts]))
                for parts in of_scales
            ),
        )


def _mean(values: List[float]) -> float:
    return float(np.mean(values, dtype=np.float64))


def _frames(starts: Sequence[int], parts: Sequence[np.ndarray]) -> np.ndarray:
    """Map (T_i,) scores of crops -> (T,) float32 of the clip."""
    n_frames = max(first + len(part) for first, part in zip(starts, parts))
    total, times = np.zeros(n_frames), np.zeros(n_frames)
    for first, part in zip(starts, parts):
        total[first : first + len(part)] += part
        times[first : first + len(part)] += 1
    # A frame without a score is 0 / 0: NaN.
    with np.errstate(invalid="ignore"):
        return (total / times).astype(np.float32)


def crops_for(
    backend: Backend,
    windows: Windows,
    number: Optional[int],
    seconds: Optional[float],
    interval: Optional[float],
) -> Crops:
    """Return the rule for a model.

    Args:
        backend: the model.
        windows: what clips would be cut into else, than which no crop is longer.
        number: of crops.
        seconds: of a crop; None = as the model was trained on.
        interval: coverage of its intervals, if they are asked for.

    Raises:
        UserError: no number, or of one crop; a model that was trained on whole clips,
            without a length; crops that are too short or too long; intervals, which
            are of scores of whole clips.
    """
    if number is None:
        raise UserError(f"crop_seconds {seconds:g}: give crops, their number, too")
    if number < 2:
        raise UserError(f"crops {number}: at least 2 are needed, or none")
    if interval is not None:
        raise UserError(
            f"crops {number}: the model's intervals hold for scores of whole clips; "
            "leave one of the two out"
        )
    seconds = backend.crop_seconds if seconds is None else seconds
    if seconds is None:
        raise UserError(
            f"crops {number}: this model was trained on whole clips; give crop_seconds"
        )
    size = crop_samples(min(seconds, 1e6))
    if size > windows.size:
        raise UserError(
            f"crop_seconds {seconds:g}: longer than a window of "
            f"{windows.size / SAMPLE_RATE:g} s, in which long clips are scored"
        )
    # A crop may be shorter by all but a sample of a frame.
    fewest = backend.min_samples + windows.unit
    if not size >= fewest:
        raise UserError(
            f"crop_seconds {seconds:g}: too short; the model needs "
            f"{fewest / SAMPLE_RATE:.4f} s"
        )
    return Crops(windows.unit, size, number)
