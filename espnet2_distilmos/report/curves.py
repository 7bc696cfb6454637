"""What to draw of a training history."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from espnet2_distilmos.report.canvas import BLUE, RED

# Epoch -> "train" | "valid" -> statistic -> value
History = Mapping[int, Mapping[str, Mapping[str, float]]]


@dataclass
class Line:
    """One curve: values (E,) over epochs (E,)."""

    label: str
    colour: str
    epochs: List[int]
    values: List[float]


@dataclass
class Panel:
    """Curves that share their axes."""

    title: str
    axis: str
    lines: List[Line]


# Title and axis of a panel, and its curves: part of the history, statistic, label.
PANELS: Tuple[Tuple[str, str, Sequence[Tuple[str, str, str]]], ...] = (
    ("Loss", "loss", (("train", "loss", "train"), ("valid", "loss", "valid"))),
    (
        "MOS loss",
        "loss",
        (("train", "mos_loss", "train"), ("valid", "mos_loss", "valid")),
    ),
    (
        "Contrastive loss",
        "loss",
        (
            ("train", "contrastive_loss", "train"),
            ("valid", "contrastive_loss", "valid"),
        ),
    ),
    (
        "Token loss",
        "cross-entropy (nats)",
        (("train", "token_loss", "train"), ("valid", "token_loss", "valid")),
    ),
    (
        "Token accuracy",
        "accuracy",
        (("train", "token_acc", "train"), ("valid", "token_acc", "valid")),
    ),
    (
        "Valid correlation, utterances",
        "correlation",
        (("valid", "srcc", "SRCC"), ("valid", "lcc", "LCC")),
    ),
    (
        "Valid correlation, systems",
        "correlation",
        (("valid", "sys_srcc", "SRCC"), ("valid", "sys_lcc", "LCC")),
    ),
)


def _is_defined(stat: str, value: float) -> bool:
    if not math.isfinite(value):
        return False
    # The trainer registers -1 for an undefined correlation; drawn, it would flatten
    # the rest of the curve.
    return not (stat.endswith(("srcc", "lcc")) and value <= -1)


def _series(history: History, part: str, stat: str) -> Tuple[List[int], List[float]]:
    """Epochs and values of one statistic, where it is defined."""
    found = [(e, history[e].get(part, {}).get(stat)) for e in sorted(history)]
    kept = [(e, float(v)) for e, v in found if v is not None and _is_defined(stat, v)]
    return [e for e, _ in kept], [v for _, v in kept]


def tie_loss(stats: Mapping[str, Any]) -> float:
    """Return the loss that decides a tie of epochs: that of the scores, or that of all.

    Args:
        stats: Statistic -> value, of one epoch and phase.

    Returns:
        Infinity without a finite one.
    """
    for name in ("mos_loss", "loss"):
        value = stats.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return math.inf


def best_epoch(history: History, stat: str, mode: str) -> Optional[int]:
    """Epoch with the best valid `stat`; None without values.

    Of equals the one of the lower loss, as the trainer chooses it, then the first.

    Args:
        history: Epoch -> "train" | "valid" -> statistic -> value.
        stat: Name of the statistic.
        mode: "max" or "min".
    """
    epochs, values = _series(history, "valid", stat)
    if not epochs:
        return None
    best = {"max": max, "min": min}[mode](values)
    tied = [e for e, v in zip(epochs, values, strict=True) if v == best]
    return min(tied, key=lambda e: tie_loss(history[e]["valid"]))


def panels_of(history: History) -> List[Panel]:
    """Return the panels of PANELS for which `history` has values."""
    panels = []
    for title, axis, curves in PANELS:
        lines = []
        for (part, stat, label), colour in zip(curves, (BLUE, RED), strict=True):
            epochs, values = _series(history, part, stat)
            if epochs:
                lines.append(Line(label, colour, epochs, values))
        if lines:
            panels.append(Panel(title, axis, lines))
    return panels
