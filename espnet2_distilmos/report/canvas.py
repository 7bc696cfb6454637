"""What all pictures share: size, colours, grid, and how they are saved.

matplotlib is imported where it is used: it takes a second, and scoring needs none of
it. Figures are made without pyplot, so nothing depends on a display or on what was
drawn before. Colours: Okabe & Ito's, told apart with any colour vision.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, List, Optional, Tuple

from espnet2_distilmos.utils.files import PathLike, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
DPI = 120


@contextmanager
def canvas(
    path: PathLike,
    n_panels: int,
    size: Tuple[float, float],
    columns: Optional[int] = None,
) -> Iterator[Tuple["Figure", List["Axes"]]]:
    """Yield a figure and its `n_panels` axes; save it as PNG when the block ends.

    Args:
        path: PNG to write, atomically.
        n_panels: Number of panels; at most three stand side by side.
        size: Width and height of one panel in inches.
        columns: Panels side by side; None for as many as look well.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if columns is None:
        columns = 2 if n_panels == 4 else min(n_panels, 3)
    rows = math.ceil(n_panels / columns)
    layout = ConstrainedLayoutEngine(wspace=0.05, hspace=0.05)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout=layout)
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[n_panels:]:
        ax.remove()
    for ax in axes[:n_panels]:
        ax.grid(color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
    yield figure, axes[:n_panels]
    with atomic_path(path) as tmp:
        # Tight: the layout may cut off the labels of square panels.
        figure.savefig(tmp, dpi=DPI, format="png", bbox_inches="tight")


def integer_ticks(axis) -> None:
    """Ticks at whole numbers only (epochs, layers)."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
