"""Pictures of scores, training, layers, labels and clusters, as PNG files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Dict, Optional, Tuple, Union

import numpy as np

from espnet2_distilmos.report.canvas import (
    BLUE,
    GREY,
    RED,
    canvas,
    integer_ticks,
)
from espnet2_distilmos.report.curves import History, best_epoch, panels_of
from espnet2_distilmos.report.layer_plots import layer_heatmap
from espnet2_distilmos.scoring.metrics import (
    MIN_SYSTEMS,
    all_metrics,
    group_by_system,
    system_means,
)
from espnet2_distilmos.utils.datadir import require_same_ids
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.terminal import counted


def plot_scatter(
    path: PathLike,
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    systems: Optional[Mapping[str, str]],
    title: str,
    label_name: str = "MOS",
    predicted: str = "MOS",
    one_scale: bool = True,
) -> None:
    """Predictions over labels: one panel of utterances, one of system means.

    Args:
        path: PNG to write.
        ref: ID -> label.
        hyp: ID -> prediction.
        systems: ID -> system; None for no second panel.
        title: Heading, e.g. model and test set.
        label_name: What the labels are, e.g. "PESQ MOS-LQO".
        predicted: What the model predicts, likewise.
        one_scale: Whether both are on one scale, on which a prediction can be right;
            else each axis has its own.

    Raises:
        UserError: nothing to draw, or IDs that are not in all three.
    """
    contents: Dict[str, Mapping[str, object]] = {"labels": ref, "predictions": hyp}
    if systems is not None:
        contents["systems"] = systems
    require_same_ids(contents)
    if not ref:
        raise UserError(f"{path}: no utterance to draw")
    ids = sorted(ref, key=str.encode)
    x = np.array([ref[u] for u in ids])
    y = np.array([hyp[u] for u in ids])
    panels = [("utterances", x, y)]
    if systems is not None:
        groups = group_by_system([systems[u] for u in ids])
        panels.append(("systems", system_means(x, groups), system_means(y, groups)))

    xlim, ylim = _limits(x), _limits(y)
    if one_scale:
        xlim = ylim = _limits(np.concatenate([x, y]))
    with canvas(path, len(panels), (4.6, 5.0)) as (figure, axes):
        figure.suptitle(title, fontweight="bold")
        for ax, (unit, a, b) in zip(axes, panels, strict=True):
            if unit == "systems" and len(a) < MIN_SYSTEMS:
                correlations = "too few for correlations"
            else:
                shown = {
                    name: "undefined" if value is None else f"{value:.3f}"
                    for name, value in all_metrics(a, b).items()
                }
                correlations = f"SRCC {shown['srcc']}, LCC {shown['lcc']}"
            ax.set_title(f"{len(a)} {unit}\n{correlations}", fontsize=11)
            if one_scale:
                ax.plot(xlim, ylim, color=GREY, linewidth=1, linestyle="--")
                ax.set_aspect("equal")
            # Thousands of clips overlap: fainter points keep the density visible.
            alpha = min(0.8, max(0.1, 200 / len(a)))
            size = 12 if len(a) > 300 else 26
            ax.scatter(a, b, s=size, color=BLUE, alpha=alpha, linewidths=0)
            ax.set(xlim=xlim, ylim=ylim)
            ax.set_xlabel(f"label ({label_name})")
            ax.set_ylabel(f"predicted {predicted}")


def _limits(values: np.ndarray) -> Tuple[float, float]:
    """Return the ends of an axis: 0.2 MOS beyond the values, more on a wider scale."""
    low, high = float(values.min()), float(values.max())
    beyond = max(0.2, 0.04 * (high - low))
    return low - beyond, high + beyond


def plot_layer_weights(
    path: PathLike,
    weights_by_epoch: Sequence[Sequence[float]],
    layers: Optional[Sequence[int]] = None,
) -> None:
    """How the weight of each upstream layer went, and where it ended.

    Args:
        path: PNG to write.
        weights_by_epoch: (E, L): a row an epoch, each summing to one.
        layers: Numbers of the L layers; default 1 to L.

    Raises:
        UserError: no epochs, or rows of different length.
    """
    if not weights_by_epoch or len({len(w) for w in weights_by_epoch}) != 1:
        raise UserError(f"{path}: layer weights need epochs with equally many layers")
    weights = np.array(weights_by_epoch, dtype=float)
    n_epochs, n_layers = weights.shape
    names = list(range(1, n_layers + 1) if layers is None else layers)
    rows = np.arange(n_layers)
    with canvas(path, 2, (5.4, max(3.2, 1.4 + 0.24 * n_layers))) as (figure, axes):
        left, right = axes
        figure.suptitle("Layer weights", fontweight="bold")
        layer_heatmap(figure, left, weights, "weight")

        last = weights[-1]
        right.barh(rows, last, color=BLUE, height=0.75)
        for row, weight in zip(rows, last, strict=True):
            # Entmax drops layers altogether; an empty row would look like a fault.
            text = (
                "0" if weight == 0 else "<0.001" if weight < 1e-3 else f"{weight:.3f}"
            )
            right.annotate(
                text,
                (weight, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=RED if weight == 0 else "black",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        right.axvline(
            1 / n_layers, color=GREY, linestyle="--", zorder=0, label="all layers alike"
        )
        right.set(xlabel="weight", title=f"epoch {n_epochs} (0: layer not used)")
        right.set_xlim(0, 1.2 * max(last.max(), 1 / n_layers))
        right.set_ylim(-0.5, n_layers - 0.5)
        right.legend(loc="best", fontsize=9)
        for ax in axes:
            ax.set_yticks(rows, [str(name) for name in names])


def plot_training_curves(
    path: PathLike, history: History, criterion: Optional[Tuple[str, str]] = None
) -> None:
    """Losses, token accuracy and correlations by epoch, with the best epoch marked.

    Args:
        path: PNG to write.
        history: Epoch -> "train" | "valid" -> statistic -> value. Values that are
            missing or undefined are left out; a panel without values is, too.
        criterion: (statistic of "valid", "max" or "min") that chooses the best epoch.
            Default: the highest srcc or, without one, the lowest loss.

    Raises:
        UserError: nothing to draw.
    """
    panels = panels_of(history)
    if not panels:
        raise UserError(f"{path}: the training history has nothing to draw")
    defaults = (("srcc", "max"), ("loss", "min"))
    best = None
    for stat, mode in defaults if criterion is None else (criterion,):
        best = best_epoch(history, stat, mode)
        if best is not None:
            break

    with canvas(path, len(panels), (4.2, 3.2)) as (figure, axes):
        if best is not None:
            extreme = {"max": "highest", "min": "lowest"}[mode]
            figure.suptitle(
                f"dotted line: best epoch, {best} ({extreme} valid {stat})", fontsize=11
            )
        for ax, panel in zip(axes, panels, strict=True):
            for line in panel.lines:
                ax.plot(
                    line.epochs,
                    line.values,
                    color=line.colour,
                    marker=".",
                    label=line.label,
                )
            if best is not None:
                ax.axvline(best, color=GREY, linestyle=":")
            ax.set(title=panel.title, xlabel="epoch", ylabel=panel.axis)
            integer_ticks(ax.xaxis)
            ax.legend(fontsize=9)


def plot_label_histogram(
    path: PathLike, labels: Mapping[str, Sequence[float]], label_name: str = "MOS"
) -> None:
    """Distribution of the labels, a panel a set, on common axes.

    Args:
        path: PNG to write.
        labels: Set -> labels of its clips.
        label_name: What the labels are.

    Raises:
        UserError: no sets, or a set without labels.
    """
    empty = [name for name, values in labels.items() if len(values) == 0]
    if not labels or empty:
        raise UserError(f"{path}: no labels to draw {' '.join(empty)}".rstrip())
    arrays = {name: np.asarray(v, dtype=float) for name, v in labels.items()}
    low = math.floor(4 * min(v.min() for v in arrays.values())) / 4
    high = math.ceil(4 * max(v.max() for v in arrays.values())) / 4
    # Quarter steps: labels of few listeners fall on such values, and bins that are
    # finer than the labels' steps look like a comb.
    bins = np.arange(low, max(high, low + 0.25) + 0.01, 0.25)
    with canvas(path, len(arrays), (4.0, 3.0)) as (_, axes):
        for ax, (name, values) in zip(axes, arrays.items(), strict=True):
            share = np.full(len(values), 100 / len(values))
            ax.hist(
                values, bins=bins.tolist(), weights=share, color=BLUE, edgecolor="white"
            )
            mean = float(values.mean())
            ax.axvline(mean, color=RED, linestyle="--", label=f"mean {mean:.2f}")
            ax.set_title(f"{name} ({counted(len(values), 'clip')})", fontsize=11)
            ax.set(xlabel=f"label ({label_name})", ylabel="clips (%)")
            ax.legend(fontsize=9)
        top = max(ax.get_ylim()[1] for ax in axes)
        for ax in axes:
            ax.set_ylim(0, 1.2 * top)  # room for the legend


def plot_clustering(
    path: PathLike,
    layers: Sequence[int],
    perplexity: Sequence[Union[float, Sequence[float]]],
    inertia_per_frame: Sequence[Union[float, Sequence[float]]],
    k: int,
) -> None:
    """How well k-means used its clusters, layer by layer.

    With several codebooks a layer each has its bar and its line.

    Args:
        path: PNG to write.
        layers: Layer numbers, L of them.
        perplexity: exp of the entropy of the cluster sizes (L,), from 1 (all frames in
            one cluster) to k (all alike); or of C codebooks a layer (L, C).
        inertia_per_frame: Mean squared distance of a frame to its centroid, likewise.
        k: Number of clusters.

    Raises:
        UserError: no layers, or lists of different length.
    """
    if not layers or not len(layers) == len(perplexity) == len(inertia_per_frame):
        raise UserError(f"{path}: one perplexity and one inertia a layer are needed")
    bars, lines = (
        np.reshape(values, (len(layers), -1)).T
        for values in (perplexity, inertia_per_frame)
    )
    n = len(bars)
    with canvas(path, 2, (4.8, 3.6)) as (figure, (left, right)):
        of_each = "" if n == 1 else f", {n} codebooks a layer"
        figure.suptitle(f"k-means, k = {k}{of_each}", fontweight="bold")
        for i, (heights, line) in enumerate(zip(bars, lines)):
            shift = 0.8 * ((i + 0.5) / n - 0.5)
            look: Dict[str, Any] = {"alpha": 1 - i / n, "label": f"codebook {i + 1}"}
            left.bar([x + shift for x in layers], heights, 0.8 / n, color=BLUE, **look)
            right.plot(layers, line, color=RED, marker="o", **look)
        left.axhline(k, color=GREY, linestyle="--")
        left.annotate(
            "k: all clusters equally used", (min(layers) - 0.4, k), va="bottom"
        )
        left.set(xlabel="layer", ylabel="perplexity (clusters)", ylim=(0, 1.12 * k))
        right.set(xlabel="layer", ylabel="mean squared distance to centroid")
        right.set_ylim(0, 1.12 * lines.max() or 1)
        if n > 1:
            right.legend(fontsize=9)
        integer_ticks(left.xaxis)
        integer_ticks(right.xaxis)
