"""The experiment's plots."""

from collections.abc import Mapping
from pathlib import Path

from espnet2_distilmos.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    canvas,
    integer_ticks,
)

_COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)


def plot_power(path: Path, compared: Mapping[str, Mapping]) -> bool:
    """Plot the power of the first pair over the number of seeds, a panel a set.

    Args:
        path: PNG to write.
        compared: set -> figures by utterance that `distilmos compare-seeds` writes.

    Returns:
        whether there was anything to draw.
    """
    curves = {}
    for name, content in compared.items():
        if content["differences"] and content["differences"][0]["power"]:
            curves[name] = content["differences"][0]
    if not curves:
        return False
    with canvas(path, len(curves), (3.6, 3.0)) as (_, axes):
        for ax, (name, d) in zip(axes, curves.items(), strict=True):
            for colour, told in zip(_COLOURS, d["power"]):
                seeds = sorted((int(n), p) for n, p in told["by_seeds"].items())
                label = f"true difference {told['effect']:g}"
                ax.plot(*zip(*seeds), "o-", color=colour, label=label, markersize=4)
            ax.axhline(0.8, color=GREY, linewidth=0.8, linestyle="--")
            title = f"{name}: {d['a']} - {d['b']}"
            ax.set(title=title, xlabel="seeds of each", ylabel="power", ylim=(0, 1.02))
            ax.title.set_fontsize(9)
        axes[0].legend(fontsize=7)
    return True


def plot_forgetting(path: Path, measured: Mapping[str, Mapping]) -> None:
    """Plot every measure over the layers, a line an arm, a panel a measure.

    Args:
        path: PNG to write.
        measured: arm -> layer -> measure -> value.
    """
    layers = list(next(iter(measured.values())))
    numbers = [int(layer.split()[1]) for layer in layers]
    measures = list(next(iter(measured.values()))[layers[0]])
    with canvas(path, len(measures), (3.8, 3.2)) as (figure, axes):
        for ax, measure in zip(axes, measures, strict=True):
            for n, (arm, own) in enumerate(measured.items()):
                values = [own[layer][measure] for layer in layers]
                colour = _COLOURS[n % len(_COLOURS)]
                style = ("o-", "s--", "^:")[n // len(_COLOURS) % 3]
                ax.plot(numbers, values, style, color=colour, label=arm, markersize=4)
            ax.set(title=measure, xlabel="layer", ylim=(0, 1.02))
            integer_ticks(ax.xaxis)
        known = axes[0].get_legend_handles_labels()
        figure.legend(*known, loc="outside lower center", ncols=min(5, len(known[1])))
