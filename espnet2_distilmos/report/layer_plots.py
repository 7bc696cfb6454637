"""Pictures of what is known of each layer in each epoch, as PNG files."""

from collections.abc import Sequence

import numpy as np

from espnet2_distilmos.report.canvas import BLUE, canvas, integer_ticks
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def layer_heatmap(figure, ax, values: np.ndarray, label: str) -> None:
    """Draw (E, L) values of L layers in E epochs, from 0, with a colour bar."""
    n_epochs, n_layers = values.shape
    image = ax.imshow(
        values.T,
        aspect="auto",
        origin="lower",
        cmap="cividis",
        vmin=0,
        interpolation="nearest",
        extent=(0.5, n_epochs + 0.5, -0.5, n_layers - 0.5),
    )
    ax.grid(False)
    ax.set(xlabel="epoch", ylabel="layer", title="by epoch")
    integer_ticks(ax.xaxis)
    figure.colorbar(image, ax=ax, label=label)


def plot_token_accuracy(
    path: PathLike, by_epoch: Sequence[Sequence[float]], layers: Sequence[int]
) -> None:
    """How well the tokens of each layer are predicted, by epoch and in the end.

    Args:
        path: PNG to write.
        by_epoch: (E, L): a row an epoch, accuracies in [0, 1] on the validation set.
        layers: Numbers of the L target layers.

    Raises:
        UserError: no epochs, or rows of another length than `layers`.
    """
    if not by_epoch or {len(row) for row in by_epoch} != {len(layers)}:
        raise UserError(f"{path}: token accuracies need epochs with a value a layer")
    values = np.array(by_epoch, dtype=float)
    rows = np.arange(len(layers))
    size = (5.4, max(3.2, 1.4 + 0.24 * len(layers)))
    with canvas(path, 2, size) as (figure, axes):
        left, right = axes
        figure.suptitle("Token accuracy on the validation set", fontweight="bold")
        layer_heatmap(figure, left, values, "accuracy")
        right.barh(rows, values[-1], color=BLUE, height=0.75)
        for row, value in zip(rows, values[-1], strict=True):
            right.annotate(
                f"{value:.3f}",
                (value, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        right.set(xlabel="accuracy", title=f"epoch {len(values)}")
        right.set_xlim(0, 1.2 * max(values[-1].max(), 0.01))
        right.set_ylim(-0.5, len(layers) - 0.5)
        for ax in axes:
            ax.set_yticks(rows, [str(layer) for layer in layers])
