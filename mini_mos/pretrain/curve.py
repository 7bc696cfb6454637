"""The training curve of a pretraining, as a table and as a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mini_mos.tsv import write_tsv

_COLUMNS = (
    "step lr loss masked_acc unmasked_acc "
    "valid_loss valid_masked_acc valid_unmasked_acc"
).split()
_PANELS = (
    ("loss", "Loss", "cross-entropy (nats)"),
    ("masked_acc", "Masked frames", "accuracy"),
    ("unmasked_acc", "Other frames", "accuracy"),
)


def write_curve(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write `curve.tsv` and `curve.png`: training and validation by step."""
    # matplotlib takes a second, which only this function should pay.
    from espnet2_distilmos.report.canvas import BLUE, RED, canvas

    rows = [
        [row[k] if k == "step" else f"{row[k]:.6g}" for k in _COLUMNS]
        for row in history
    ]
    write_tsv(folder / "curve.tsv", _COLUMNS, rows)
    steps = [row["step"] for row in history]
    with canvas(folder / "curve.png", len(_PANELS), (3.6, 3.0)) as (_, axes):
        for ax, (key, title, unit) in zip(axes, _PANELS):
            for prefix, label, colour in (
                ("", "train", BLUE),
                ("valid_", "valid", RED),
            ):
                ax.plot(steps, [r[prefix + key] for r in history], colour, label=label)
            ax.set_title(title)
            ax.set_xlabel("step")
            ax.set_ylabel(unit)
            ax.legend()
