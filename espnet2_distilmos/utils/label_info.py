"""What the labels of one corpus are: opinions of listeners, or a measure.

The record is `labels.yaml` beside a set, and `label_conf` in a model's config.yaml:

    labels:
    - corpus: mini_mos
      kind: objective        # human, objective, predicted (by a model) or not stated
      name: PESQ MOS-LQO
      detail: ITU-T P.862.2
      scale: [1, 4.644]
      licence: ...           # of the corpus
      source: ...            # where the corpus or its labels come from

Several of them: :class:`espnet2_distilmos.utils.labels.Labels`. Needs neither torch nor
ESPnet.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, Optional, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.mapping import from_mapping

KINDS = ("human", "objective", "predicted")
NOT_STATED = "not stated"
# Absolute category rating (ITU-T P.800), where no scale is recorded.
USUAL_SCALE = (1.0, 5.0)
_LONGEST = 500

KIND_WORDS = {
    "human": "human ratings",
    "objective": "objective",
    "predicted": "predicted by a model",
    NOT_STATED: "kind of labels not stated",
}
_WARNINGS = {
    "human": "",
    "objective": ", not human ratings",
    "predicted": ", not human ratings",
    NOT_STATED: ", perhaps not human ratings",
}
_CAVEATS = {
    "human": "",
    "objective": ", which does not measure naturalness",
    "predicted": ", which imitates a model's scores and not listeners",
    NOT_STATED: ", of which it is not stated whether listeners gave it",
}


@dataclass(frozen=True)
class LabelInfo:
    """What the labels of one corpus are.

    Attributes:
        corpus: its name.
        kind: one of KINDS, or NOT_STATED.
        name: what the numbers are, e.g. `MOS`, `PESQ MOS-LQO`; empty = not known.
        detail: more on it: a standard, the number of ratings.
        scale: lowest and highest value that there can be; None = not known.
        licence: of the corpus.
        source: where the corpus or its labels come from.
    """

    corpus: str
    kind: str = NOT_STATED
    name: str = ""
    detail: str = ""
    scale: Optional[Tuple[float, float]] = None
    licence: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "scale":
                continue
            if not isinstance(value, str) or not value.isprintable():
                raise UserError(f"{field.name}: one line of text was expected")
            if len(value) > _LONGEST:
                raise UserError(f"{field.name}: longer than {_LONGEST} characters")
        if not self.corpus.strip():
            raise UserError("corpus: its name is missing")
        if self.kind not in KIND_WORDS:
            raise UserError(f"kind: {self.kind!r} is none of {', '.join(KIND_WORDS)}")
        if self.scale is not None:
            object.__setattr__(self, "scale", _to_scale(self.scale))

    @classmethod
    def from_dict(cls, data: Any, where: PathLike) -> "LabelInfo":
        """Make one of a mapping, as YAML has it; null is as good as no key.

        Raises:
            UserError: see :func:`from_mapping`, or a bad value.
        """
        if isinstance(data, Mapping):
            data = {key: value for key, value in data.items() if value is not None}
        return from_mapping(cls, data, where)

    def as_dict(self) -> Dict[str, Any]:
        """Return plain types, without what is not known."""
        shown = {k: v for k, v in asdict(self).items() if v not in ("", None)}
        if self.scale is not None:
            shown["scale"] = list(self.scale)
        return shown

    @property
    def what(self) -> str:
        """E.g. `PESQ MOS-LQO (objective; scale 1 to 4.64), not human ratings`."""
        inner = ", ".join(filter(None, [KIND_WORDS[self.kind], self.detail]))
        scale = "" if self.scale is None else f"; scale {scale_words(self.scale)}"
        return f"{self.name or 'scores'} ({inner}{scale}){_WARNINGS[self.kind]}"

    @property
    def credit(self) -> str:
        """E.g. `predicted PESQ MOS-LQO, which does not measure naturalness`."""
        return f"predicted {self.name or 'scores'}{_CAVEATS[self.kind]}"

    @property
    def heading(self) -> str:
        """E.g. `objective: PESQ MOS-LQO, ITU-T P.862.2, not human ratings`."""
        kind = "kind of labels not stated" if self.kind == NOT_STATED else self.kind
        text = ", ".join(filter(None, [self.name or "scores", self.detail]))
        return f"{kind}: {text}{_WARNINGS[self.kind]}"


def _to_scale(value: Any) -> Tuple[float, float]:
    if (
        not isinstance(value, Sequence)
        or len(value) != 2
        or not all(type(x) in (int, float) and math.isfinite(x) for x in value)
        or not value[0] < value[1]
    ):
        raise UserError(f"scale: [LOWEST, HIGHEST] was expected, not {value!r}")
    return float(value[0]), float(value[1])


def scale_words(scale: Tuple[float, float]) -> str:
    """Return `1 to 4.64`."""
    low, high = (f"{x:.2f}".rstrip("0").rstrip(".") for x in scale)
    return f"{low} to {high}"


# The authors' released weights: what their repository says of them. Models that were
# imported before there were records are known by their key `official`.
OFFICIAL = LabelInfo(
    corpus="bvcc",
    kind="human",
    name="MOS",
    detail="as the authors' repository says",
    scale=USUAL_SCALE,
)
