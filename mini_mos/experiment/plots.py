"""The experiment's plots, from collected scores alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Dict, List

import numpy as np

from espnet2_distilmos.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    canvas,
    integer_ticks,
)
from mini_mos.experiment.collect import Scores
from mini_mos.experiment.plan import MAIN
from mini_mos.experiment.protocol import ALL, Protocol
from mini_mos.experiment.tables import mean_forgetting

_COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)


def _legend_below(figure, ax) -> None:
    """Put the legend of `ax`, for all panels, where it hides no line."""
    known = ax.get_legend_handles_labels()
    figure.legend(*known, loc="outside lower center", ncols=len(known[1]))


def plot_sizes(path: Path, found: Mapping, protocol: Protocol) -> None:
    """Plot utterance SRCC over the number of training clips, a panel a test set."""
    sets = list(found["figures"])
    places = [str(size) for size in protocol.sizes]
    with canvas(path, len(sets), (3.6, 3.4)) as (figure, axes):
        for ax, name in zip(axes, sets, strict=True):
            sizes = found["figures"][name]["utt"]
            for n, (model, colour) in enumerate(zip(protocol.models, _COLOURS)):
                known = [
                    (i, sizes[s][model])
                    for i, s in enumerate(places)
                    if model in sizes.get(s, {}) and sizes[s][model].ci95 is not None
                ]
                if not known:
                    continue
                x = [i + 0.06 * (n - 2) for i, _ in known]
                y = np.array([f.value for _, f in known])
                ends = np.array([f.ci95 for _, f in known])
                # An interval of percentiles need not hold the value itself.
                reach = np.maximum(0, [y - ends[:, 0], ends[:, 1] - y])
                ax.errorbar(
                    x, y, reach, fmt="o-", color=colour, label=model, markersize=4
                )
            ax.set(title=name, xlabel="training clips", ylabel="utterance SRCC")
            ax.set_xticks(range(len(places)), places)
            ax.set_xlim(-0.4, len(places) - 0.6)  # no model's marker on the frame
        _legend_below(figure, axes[0])


def _curves(scores: Scores, model: str, part: str, names: Sequence[str]):
    """Return epochs and (S, E) of the first of `names` that the runs have, or None."""
    rows: List[Dict[int, float]] = []
    for run in scores["runs"]:
        if (run["phase"], run["model"], run["size"]) == (MAIN, model, ALL):
            history = {int(e): v.get(part, {}) for e, v in run["history"].items()}
            for name in names:
                if history and all(name in v for v in history.values()):
                    rows.append({e: v[name] for e, v in history.items()})
                    break
    if not rows:
        return None
    epochs = sorted(set.intersection(*(set(r) for r in rows)))
    return epochs, np.array([[r[e] for e in epochs] for r in rows])


def plot_curves(path: Path, scores: Scores, protocol: Protocol) -> None:
    """Plot training and validation L1 side by side, a panel a model, all seeds."""
    models = [
        m for m in protocol.models if _curves(scores, m, "train", ("mos_loss", "l1"))
    ]
    if not models:
        return
    with canvas(path, len(models), (3.4, 3.0)) as (_, axes):
        for ax, model in zip(axes, models, strict=True):
            for part, colour in (("train", BLUE), ("valid", RED)):
                found = _curves(scores, model, part, ("mos_loss", "l1"))
                if found is None:
                    continue
                epochs, values = found
                ax.plot(epochs, values.T, color=colour, alpha=0.25, linewidth=0.8)
                ax.plot(epochs, values.mean(axis=0), color=colour, label=part)
            ax.set(title=model, xlabel="epoch", ylabel="L1 (MOS)")
            integer_ticks(ax.xaxis)
        axes[0].legend(fontsize=7)


def plot_forgetting(path: Path, measured: Mapping) -> None:
    """Plot every measure over the layers, a panel a measure."""
    means = mean_forgetting(measured)
    layers = list(next(iter(means.values())))
    numbers = [int(layer.split()[1]) for layer in layers]
    measures = list(next(iter(means.values()))[layers[0]])
    with canvas(path, len(measures), (3.4, 2.8)) as (figure, axes):
        for ax, measure in zip(axes, measures, strict=True):
            for n, (model, own) in enumerate(means.items()):
                values = [own[layer][measure] for layer in layers]
                if None not in values:
                    colour = _COLOURS[n % len(_COLOURS)]
                    style = ("o-", "s--", "^:")[n // len(_COLOURS) % 3]
                    ax.plot(
                        numbers, values, style, color=colour, label=model, markersize=4
                    )
            ax.set(title=measure, xlabel="layer")
            integer_ticks(ax.xaxis)
        _legend_below(figure, axes[0])
