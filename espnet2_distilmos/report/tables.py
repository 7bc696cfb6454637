"""Tables that read well as Markdown and on a terminal alike."""

from collections.abc import Mapping, Sequence
from typing import Any, List

from espnet2_distilmos.report.scales import why_no_error
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.utils.terminal import one_line

# Level in scores.json -> its name in tables.
LEVELS = {"utt": "utterance", "sys": "system", "within_sys": "within systems"}
HEADER = ["n", *(m.upper() for m in METRICS)]
NONE = "–"


def figure(entry: Mapping[str, Any]) -> str:
    """`0.712 [0.651, 0.770]`; `–` where the value is null."""
    if entry["value"] is None:
        return NONE
    text = f"{entry['value']:.3f}"
    if entry["ci95"] is not None:
        text += " [{:.3f}, {:.3f}]".format(*entry["ci95"])
    return text


def level_cells(scores: Mapping[str, Any], level: str) -> List[str]:
    """Return the cells under HEADER of one level (a key of LEVELS) of a `scores.json`.

    `n` counts what the figures run over: utterances, systems, or the systems that
    count within. Correlations are undefined in some of those (constant predictions);
    if so, the number of the others stands in parentheses.
    """
    figures = [figure(scores[level][m]) for m in METRICS]
    if level != "within_sys":
        n = scores["n_" + level]
        return [NONE if n is None else str(n), *figures]
    large, defined = (scores["n_sys_within"][m] for m in ("mse", "srcc"))
    if large is None:
        return [NONE, *figures]
    return [str(large) if large == defined else f"{large} ({defined})", *figures]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table with aligned columns and a newline at the end."""
    cells = [[one_line(c).replace("|", "\\|") for c in row] for row in (header, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * w for w in widths])
    return "".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |\n"
        for row in cells
    )


def bootstrap_note(scores: Mapping[str, Any]) -> str:
    """Say what the brackets mean, in one phrase."""
    b = scores["bootstrap"]
    if b["n"] == 0:
        return "no intervals"
    return (
        f"{b['level']:.0%} bootstrap intervals ({b['n']} resamples, seed {b['seed']})"
    )


def scores_table(scores: Mapping[str, Any]) -> str:
    """One `scores.json` as text, a row a level."""
    rows = [[name, *level_cells(scores, level)] for level, name in LEVELS.items()]
    text = f"{bootstrap_note(scores)}\n\n" + markdown_table(["level", *HEADER], rows)
    if why := why_no_error(scores):
        text += f"\nNo MSE: {why}.\n"
    return text


def resampled(scores: Mapping[str, Any]) -> str:
    """Say what the intervals resample: of a cross-validation what its folds part."""
    by = scores.get("folds", {}).get("by", "clip")
    if by == "system":
        return "whole systems, at every level"
    return f"{by}s (utterance) or systems (the other two)"
