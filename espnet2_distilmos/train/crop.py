"""A part of a clip for each time that it is trained on, with the tokens of its frames.

A crop begins at a multiple of the upstream's frame shift and lacks a whole number of
them: so it has as many frames fewer than the clip, whatever an upstream makes of the
ends, and row t of its tokens stands for the samples that frame t of it begins with.
"""

import hashlib
from typing import Any, Callable, Dict, Optional, Tuple, Union

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.audio.crops import crop_samples, frames_left_out
from espnet2_distilmos.utils.errors import UserError

# Shorter crops say little of a clip, and some upstreams need several for one of theirs.
LEAST_FRAMES = 10


class Draw(str):
    """The ID of a clip, and which draw of it this is.

    Attributes:
        number: seed, pass over the training set, which time in that pass.
    """

    number: Tuple[int, ...]

    def __new__(cls, utt: str, number: Tuple[int, ...] = ()) -> "Draw":
        """Make an ID that equals the plain one."""
        draw = super().__new__(cls, utt)
        draw.number = number
        return draw

    def __radd__(self, prefix: str) -> "Draw":
        """Stay a draw where ESPnet's data set puts a prefix, empty here, before it."""
        return Draw(prefix + str(self), self.number)


def require_crop(seconds: Optional[float], unit: int) -> None:
    """Refuse crops that are too short.

    Args:
        seconds: of a crop; None = clips stay whole.
        unit: samples of a frame.

    Raises:
        UserError: they have fewer than LEAST_FRAMES frames.
    """
    if seconds is not None and crop_samples(seconds) < LEAST_FRAMES * unit:
        raise UserError(
            f"--crop_seconds {seconds:g}: too short; at least {LEAST_FRAMES} frames of "
            f"the upstream are needed, {LEAST_FRAMES * unit / SAMPLE_RATE:g} s"
        )


class RandomCrop(AbsPreprocessor):
    """Cut a clip that is longer than a crop, somewhere else each time.

    Where is drawn by what the ID says (:class:`Draw`) and by the ID itself.

    Args:
        seconds: of a crop, at most; at least this less one frame.
        unit: samples of a frame of the upstream.
        then: what else is done with the data.
    """

    def __init__(
        self,
        seconds: float,
        unit: int,
        then: Optional[Callable[[str, Dict[str, Any]], Dict[str, Any]]] = None,
    ):
        super().__init__(True)
        self.samples, self.unit, self.then = crop_samples(seconds), unit, then

    def __call__(
        self, uid: str, data: Dict[str, Union[str, np.ndarray]]
    ) -> Dict[str, np.ndarray]:
        """Map `speech` (N,) -> (N - k x unit,); `tokens` (T, M) -> (T - k, M).

        Raises:
            UserError: tokens that are fewer than the frames that are cut off.
        """
        found: Dict[str, Any] = dict(data)
        speech = found["speech"]
        left_out = frames_left_out(len(speech), self.samples, self.unit)
        if left_out > 0:
            start = self._start(uid, left_out)
            end = left_out - start  # frames that are cut off behind
            found["speech"] = speech[start * self.unit : len(speech) - end * self.unit]
            if "tokens" in found:
                rows = len(found["tokens"])
                if rows <= left_out:
                    raise UserError(
                        f"{uid}: {rows} rows of tokens, but the clip has more frames; "
                        "run stages 3 and 4 again with this audio and this upstream"
                    )
                found["tokens"] = found["tokens"][start : rows - end]
        return found if self.then is None else self.then(uid, found)

    def _start(self, uid: str, left_out: int) -> int:
        if not isinstance(uid, Draw):
            raise TypeError(f"{uid}: no Draw; only train/batches.py makes crops differ")
        name = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
        rng = np.random.default_rng([*uid.number, name])
        return int(rng.integers(left_out + 1))
