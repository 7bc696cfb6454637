"""The record of a model's intervals: in an exported model, or beside a checkpoint."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Protocol

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, sha256_file
from espnet2_distilmos.utils.mapping import from_mapping, is_number
from espnet2_distilmos.utils.terminal import counted

# Key of the record beside a checkpoint, and of a packed model's configuration.
INTERVAL = "interval"
MODEL_SHA256 = "model_sha256"


@dataclass(frozen=True)
class IntervalRecord:
    """Half the widths of a model's intervals, by coverage.

    Attributes:
        data: the clips that they were made from, in words.
        n_utt: how many.
        half_widths: percent, as text -> MOS units.
        n_systems: how many systems they are of, where the intervals hold for clips of
            new systems; 0 = for clips alone.
        out_of_fold: whether the predictions were those of a cross-validation's models.
    """

    data: str
    n_utt: int
    half_widths: Dict[str, float]
    n_systems: int = 0
    out_of_fold: bool = False

    def __post_init__(self) -> None:
        last = 0.0
        for percent in self.half_widths:
            if percent not in map(str, range(50, 100)):
                raise UserError(f"half_widths: {percent!r} is no coverage in percent")
        for percent, width in sorted(self.half_widths.items()):
            if not is_number(width) or not math.isfinite(width) or width < last:
                raise UserError(f"half_widths: {percent} {width!r}")
            last = width
        if not self.half_widths:
            raise UserError("half_widths: none")

    def half_width(self, coverage: float) -> float:
        """Return half the width for a coverage, a share such as 0.9.

        Raises:
            UserError: the record has none for it.
        """
        if not is_number(coverage):
            raise UserError(f"interval {coverage!r}: a share such as 0.9 is needed")
        percent = round(100 * coverage, 6)
        name = f"{percent:g}"
        if name not in self.half_widths:
            known = sorted(map(int, self.half_widths))
            raise UserError(
                f"interval {coverage:g}: this model has intervals for "
                f"{known[0] / 100:g} to {known[-1] / 100:g}, in steps of 0.01"
            )
        return float(self.half_widths[name])

    def meaning(self, coverage: float) -> str:
        """Return what the intervals are and what is promised of them, for people."""
        clips = counted(self.n_utt, "clip")
        if self.n_systems:
            clips += f" of {counted(self.n_systems, 'system')}"
        ends = f"mos_low to mos_high, +-{self.half_width(coverage):.3f}"
        if self.out_of_fold:
            return (
                f"{ends}, made for {100 * coverage:g} % of the labels from the errors "
                f"of the models of a cross-validation, out of fold, on {self.data} "
                f"({clips}); this model is none of them: theory promises nothing of "
                "how many labels its intervals hold"
            )
        new = " of new systems" if self.n_systems else ""
        return (
            f"{ends}, hold {100 * coverage:g} % of the labels of clips{new} like those "
            f"of {self.data} ({clips}); for other clips nothing is known"
        )

    def sentence(self, coverage: float) -> str:
        """Return the same as a line that names what it is about."""
        return f"intervals: {self.meaning(coverage)}"

    def as_mapping(self) -> Dict[str, Any]:
        """Return the record as plain types."""
        return asdict(self)


def record_file(model_file: PathLike) -> Path:
    """Return where the record of a checkpoint's intervals lies."""
    return Path(model_file).with_suffix(".interval.yaml")


def read_interval(
    config: Mapping[str, Any], model_file: PathLike
) -> Optional[IntervalRecord]:
    """Return the record of a checkpoint's intervals; None where it has none.

    Args:
        config: content of its config.yaml; a packed model's has the record in it.
        model_file: the checkpoint.

    Raises:
        UserError: a record that is none, or of another checkpoint than is there now.
    """
    if config.get(INTERVAL) is not None:
        return from_mapping(
            IntervalRecord, config[INTERVAL], f"config.yaml: {INTERVAL}"
        )
    file = record_file(model_file)
    if not file.is_file():
        return None
    content = read_yaml(file)
    record = from_mapping(IntervalRecord, content.get(INTERVAL), f"{file}: {INTERVAL}")
    if content.get(MODEL_SHA256) != sha256_file(model_file):
        raise UserError(
            f"{file}: made for another {Path(model_file).name} than is there now; run "
            "distilmos conformal again, or delete it"
        )
    return record


def intervals_told(record: Optional[IntervalRecord]) -> str:
    """Return what `distilmos info` says of a model's intervals."""
    return "none" if record is None else record.meaning(0.9)


class HasInterval(Protocol):
    """What may have a record of intervals: a model that is loaded."""

    @property
    def interval(self) -> Optional[IntervalRecord]:
        """The record, or None."""


def half_width(
    loaded: HasInterval,
    coverage: Optional[float],
    model: PathLike,
    corpus: Optional[str],
) -> Optional[float]:
    """Return half the width of the intervals that are asked for; None = none are.

    Args:
        loaded: the model.
        coverage: a share such as 0.9; None = no intervals.
        model: its file, for the error.
        corpus: on whose scale it scores; None = the mean scale.

    Raises:
        UserError: the model has none, or none for this coverage or corpus.
    """
    if coverage is None:
        return None
    record = loaded.interval
    if record is None:
        raise UserError(
            f"{model}: has no record of intervals; distilmos conformal makes one from "
            "clips with labels that it was not trained on"
        )
    if corpus is not None:
        raise UserError(
            f"interval: it holds for scores on the mean scale, not for corpus {corpus}"
        )
    return record.half_width(coverage)


def bounds(mos: float, half: Optional[float]) -> Dict[str, float]:
    """Return `mos_low` and `mos_high`; nothing where no interval is asked for."""
    return {} if half is None else {"mos_low": mos - half, "mos_high": mos + half}


def widths_of(found: Mapping[int, float]) -> Dict[str, float]:
    """Return half widths as a record has them: rounded up, so that they still hold."""
    return {str(percent): math.ceil(w * 1e6) / 1e6 for percent, w in found.items()}
