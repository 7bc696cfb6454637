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
      scales:                # of utt2scores, what there is to say of each; or none
        SIG: {detail: signal alone, scale: [1, 5]}

Several of them: :class:`espnet2_distilmos.utils.labels.Labels`. Needs neither torch nor
ESPnet.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Dict, Optional, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.mapping import from_mapping
from espnet2_distilmos.utils.values import to_scale_names

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
class ScaleInfo:
    """What there is to say of the labels of a further scale.

    Attributes:
        name: of the scale, in `utt2scores`.
        detail: what was asked.
        scale: lowest and highest value that there can be; None = as those of the MOS.
    """

    name: str
    detail: str = ""
    scale: Optional[Tuple[float, float]] = None

    def __post_init__(self) -> None:
        _require_line("detail", self.detail)
        if self.scale is not None:
            object.__setattr__(self, "scale", _to_scale(self.scale))


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
        scales: further scales of its clips; as a mapping from the name, or such infos.
    """

    corpus: str
    kind: str = NOT_STATED
    name: str = ""
    detail: str = ""
    scale: Optional[Tuple[float, float]] = None
    licence: str = ""
    source: str = ""
    scales: Tuple[ScaleInfo, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in ("scale", "scales"):
                _require_line(field.name, getattr(self, field.name))
        if not self.corpus.strip():
            raise UserError("corpus: its name is missing")
        if self.kind not in KIND_WORDS:
            raise UserError(f"kind: {self.kind!r} is none of {', '.join(KIND_WORDS)}")
        if self.scale is not None:
            object.__setattr__(self, "scale", _to_scale(self.scale))
        if not isinstance(self.scales, tuple):
            object.__setattr__(self, "scales", _to_scales(self.scales))

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
        shown = _plain(asdict(self))
        if self.scales:
            infos = [_plain(asdict(info)) for info in self.scales]
            shown["scales"] = {info.pop("name"): info for info in infos}
        return shown

    def of_scale(self, name: str) -> "LabelInfo":
        """Return what its labels on a further scale are."""
        infos = {info.name: info for info in self.scales}
        info = infos.get(name, ScaleInfo(name))
        return replace(
            self,
            name=name,
            detail=info.detail,
            scale=info.scale or self.scale,
            scales=(),
        )

    def on_scale(self, scale: Tuple[float, float]) -> "LabelInfo":
        """Return the same with the MOS on another scale; further scales stay."""
        scales = (replace(x, scale=x.scale or self.scale) for x in self.scales)
        return replace(self, scale=scale, scales=tuple(scales))

    @property
    def brief(self) -> str:
        """What the labels are, without details."""
        kind = f"{KIND_WORDS[self.kind]}{_WARNINGS[self.kind]}"
        return f"{self.name or 'scores'} ({kind})"

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


def _require_line(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.isprintable():
        raise UserError(f"{name}: one line of text was expected")
    if len(value) > _LONGEST:
        raise UserError(f"{name}: longer than {_LONGEST} characters")


def _plain(values: Dict[str, Any]) -> Dict[str, Any]:
    shown = {k: v for k, v in values.items() if v not in ("", None, ())}
    if "scale" in shown:
        shown["scale"] = list(shown["scale"])
    return shown


def _to_scales(value: Any) -> Tuple[ScaleInfo, ...]:
    if not isinstance(value, Mapping):
        raise UserError("scales: a mapping was expected, NAME: {detail: ..., scale:}")
    try:
        to_scale_names(map(str, value))
    except ValueError as e:
        raise UserError(f"scales: {e}") from e
    infos = []
    for name, info in value.items():
        info = {} if info is None else info
        if not isinstance(info, Mapping) or "name" in info:
            raise UserError(f"scales: {name}: {{detail: ..., scale: ...}} was expected")
        infos.append(from_mapping(ScaleInfo, {"name": name, **info}, f"scales {name}"))
    return tuple(infos)


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
