"""Probes as a table and as a plot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from espnet2_distilmos.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    canvas,
    integer_ticks,
)
from espnet2_distilmos.report.tables import NONE, markdown_table
from espnet2_distilmos.utils.files import write_json, write_text
from espnet2_distilmos.utils.terminal import counted
from mini_mos.pretrain.frame_classes import CLASSES
from mini_mos.pretrain.probes import FOLDS, PROBES, PURITY, TOKENS

_COLOURS = (BLUE, ORANGE, GREEN, RED)
NOTE = f"""Linear (ridge) probes of mean and standard deviation over time of each
layer, {FOLDS}-fold cross-validation by prompt, on recordings that pretraining never
heard. Token purity: share of frames whose acoustic class (silent, or voiced or not x
the loudest of five bands, {CLASSES} classes) is the one that their token ({TOKENS}
clusters a layer) mostly stands for, on held-out prompts.
"""


def _cell(value: Optional[float]) -> str:
    return NONE if value is None else f"{value:.3f}"


def probe_table(results: Mapping) -> str:
    """Return Markdown: a row a layer, a column a probe."""
    names = [*PROBES, PURITY]
    rows = [["guessing", "", *(_cell(results["chance"][n]) for n in names)]]
    for model, layers in results["figures"].items():
        for layer, own in layers.items():
            rows.append([model, layer, *(_cell(own[n]) for n in names)])
    return markdown_table(["model", "layer", *names], rows)


def write_report(folder: Path, results: Mapping) -> None:
    """Write probes.json, probes.md and probes.png.

    Args:
        folder: where to write.
        results: of :func:`mini_mos.pretrain.probes.run_probes`, and more to be
            kept in the JSON.
    """
    write_json(folder / "probes.json", results)
    what = "".join(f"- {name}: {text}\n" for name, (_, text) in PROBES.items())
    write_text(
        folder / "probes.md",
        f"# Probes\n\n{NOTE}\n{what}\n{probe_table(results)}\n"
        f"{counted(results['clips'], 'clip')} of "
        f"{counted(results['prompts'], 'prompt')}, seed "
        f"{results['seed']}.\n",
    )
    names = [*PROBES, PURITY]
    with canvas(folder / "probes.png", len(names), (3.4, 2.8)) as (_, axes):
        for ax, name in zip(axes, names, strict=True):
            models = [m for m in results["figures"] if m != "log-mel"]
            for model, colour in zip(models, _COLOURS):
                own = results["figures"][model]
                drawn = [
                    (int(layer.split()[1]), figures[name])
                    for layer, figures in own.items()
                    if figures[name] is not None
                ]
                if drawn:
                    x, y = zip(*drawn, strict=True)
                    ax.plot(x, y, "o-", color=colour, label=model, markersize=4)
            spectrum = results["figures"]["log-mel"]["spectrum"][name]
            if spectrum is not None:
                ax.axhline(spectrum, color=GREY, linestyle="--", label="log-mel")
            chance = results["chance"][name]
            ax.axhline(chance, color=GREY, linestyle=":", label="guessing")
            ax.set(title=name, xlabel="layer")
            integer_ticks(ax.xaxis)
        axes[0].legend(fontsize=7)
