"""The constant, a predictor that hears nothing, and whether a model beats it.

A model whose squared error is not below that of one number for all clips says nothing
of how good a clip is, however its correlations look on a few clips.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Dict, Optional, Union

import numpy as np

from espnet2_distilmos.scoring.bootstrap import Interval
from espnet2_distilmos.scoring.significance import paired_difference
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_words,
    require_same_ids,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.terminal import counted

CONSTANT = "constant"
BETTER, UNDECIDED, NOT_BETTER = "better", "undecided", "not better"


def constant(train_mos: Mapping[str, float], utts: Iterable[str]) -> Dict[str, float]:
    """Utterance -> mean of the training labels, the same for all of `utts`."""
    mean = float(np.mean(list(train_mos.values())))
    return {utt: mean for utt in utts}


@dataclass(frozen=True)
class Comparison:
    """A model's MSE on a set beside that of the constant.

    Attributes:
        n_utt: Clips.
        mse: Of the model, squared MOS units.
        constant_mse: Of the constant.
        gain: `constant_mse - mse`; positive where the model is better.
        interval: 95 % interval of `gain`, by :func:`paired_difference`; None for one
            clip, and for one system where systems are drawn.
    """

    n_utt: int
    mse: float
    constant_mse: float
    gain: float
    interval: Interval

    @property
    def verdict(self) -> str:
        """BETTER, UNDECIDED (lower, but the interval holds 0) or NOT_BETTER."""
        if self.gain <= 0:
            return NOT_BETTER
        if self.interval is None or self.interval[0] <= 0:
            return UNDECIDED
        return BETTER

    def sentence(self, model: str) -> str:
        """Say for people whether the model beats the constant."""
        clips = counted(self.n_utt, "clip")
        mse = f"MSE {self.mse:.3f} against {self.constant_mse:.3f}, {clips}"
        by = f"{abs(self.gain):.3f}"
        if self.interval is not None:
            low, high = self.interval
            if self.gain <= 0:
                low, high = -high, -low
            by += f" [{low:.3f}, {high:.3f}]"
        if self.verdict == BETTER:
            said = f"is better than the constant: its MSE is lower by {by} ({mse})."
        elif self.verdict == UNDECIDED:
            said = (
                "is not shown to be better than the constant: its MSE is lower by "
                f"{by}, which may be chance ({mse})."
            )
        else:
            said = (
                f"is **not better than the constant**: its MSE is higher by {by} "
                f"({mse}). Its scores of such clips are worth less than one number "
                "for all."
            )
        return f"{model} {said}"


def compare_with_constant(
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    value: Union[float, Mapping[str, float]],
    units: Optional[Mapping[str, str]] = None,
) -> Comparison:
    """Compare the squared errors of predictions and of a constant, clip by clip.

    Args:
        ref: ID -> label (MOS units).
        hyp: ID -> prediction.
        value: The constant; of a cross-validation ID -> that of the clip's fold.
        units: ID -> what is drawn as a whole for the interval; None = single clips.
    """
    ids = sorted(ref, key=str.encode)  # as in score(): the resamples have an order
    x = np.array([ref[u] for u in ids])
    y = np.array([hyp[u] for u in ids])
    c = np.array([value[u] if isinstance(value, Mapping) else value for u in ids])
    errors, constants = (x - y) ** 2, (x - c) ** 2
    drawn = ids if units is None else [units[u] for u in ids]
    interval = None
    if len(set(drawn)) > 1:
        whole = None if units is None else drawn
        interval = list(paired_difference(constants, errors, units=whole)[1:3])
    gain = float((constants - errors).mean())
    return Comparison(
        len(ids), float(errors.mean()), float(constants.mean()), gain, interval
    )


def compare_files(
    labels: PathLike, predictions: PathLike, constants: PathLike
) -> Comparison:
    """:func:`compare_with_constant` for `utt2mos` files.

    Args:
        labels: `ID MOS` of a set.
        predictions: The same of a model, for the same clips.
        constants: The same of the constant, for any clips.

    Raises:
        UserError: a file cannot be read, has other clips, or `constants` has several
            values.
    """
    values = set(read_floats(constants).values())
    if len(values) != 1:
        raise UserError(f"{constants}: {len(values)} values, one for all was expected")
    ref, hyp = read_floats(labels), read_floats(predictions)
    require_same_ids({str(labels): ref, str(predictions): hyp})
    return compare_with_constant(ref, hyp, values.pop())


def compare_out_of_fold(
    labels: PathLike,
    predictions: PathLike,
    constants: PathLike,
    utt2unit: Optional[PathLike] = None,
) -> Comparison:
    """:func:`compare_files` of a cross-validation: each fold has a constant of its own.

    Args:
        labels: `ID MOS` of a set.
        predictions: The same of the models, for the same clips.
        constants: The same of the constants, for the same clips.
        utt2unit: What is drawn as a whole, of the same clips; None = single clips.

    Raises:
        UserError: a file cannot be read or has other clips.
    """
    ref, hyp, value = (read_floats(f) for f in (labels, predictions, constants))
    units = None if utt2unit is None else read_words(utt2unit)
    read = {str(labels): ref, str(predictions): hyp, str(constants): value}
    require_same_ids(read if units is None else {**read, str(utt2unit): units})
    return compare_with_constant(ref, hyp, value, units)
