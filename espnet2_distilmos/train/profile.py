"""Where the time of a training goes, from what ESPnet's trainer has noted."""

from typing import Dict, List

from espnet2_distilmos.train.history import History
from espnet2_distilmos.utils.errors import UserError

# Part -> ESPnet's statistic, in seconds a step.
PARTS = {
    "data": "iter_time",  # waiting for a batch
    "forward": "forward_time",
    "backward": "backward_time",
    "optimizer": "optim_step_time",
}


def time_shares(history: History) -> List[Dict[str, float]]:
    """Return what each epoch spent its training time on.

    Returns:
        One row an epoch: `epoch`, `steps`, `step` (seconds), `seconds`, the share of
        each of PARTS, `other` (clipping, statistics, log), and `model`: the share of
        forward, backward and optimiser together.

    Raises:
        UserError: the history holds no times.
    """
    rows = []
    before = 0.0
    for epoch in sorted(history):
        train = history[epoch].get("train", {})
        if "train_time" not in train:
            raise UserError(f"epoch {epoch} has no times; ESPnet's trainer notes them")
        steps, before = train["total_count"] - before, train["total_count"]
        step = train["train_time"]
        shares = {part: train.get(name, 0.0) / step for part, name in PARTS.items()}
        rows.append(
            {
                "epoch": epoch,
                "steps": steps,
                "step": step,
                "seconds": steps * step,
                **shares,
                "other": 1 - sum(shares.values()),
                "model": shares["forward"] + shares["backward"] + shares["optimizer"],
            }
        )
    return rows


def time_table(rows: List[Dict[str, float]]) -> str:
    """Return the rows of :func:`time_shares` as a Markdown table, shares in percent."""
    shares = [*PARTS, "other", "model"]
    lines = [
        "| epoch | steps | s a step | " + " | ".join(f"{x} %" for x in shares) + " |",
        "| ---: " * (3 + len(shares)) + "|",
    ]
    for row in rows:
        cells = [f"{row['epoch']:.0f}", f"{row['steps']:.0f}", f"{row['step']:.3f}"]
        cells += [f"{100 * row[name]:.1f}" for name in shares]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
