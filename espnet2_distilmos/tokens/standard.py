"""States of a layer in units of each channel's deviation, before k-means.

Squared distances are ruled by the channels that vary most. Pre-norm encoders have a few
that are tens of times as large as all others, and k-means tells frames apart by these.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, NamedTuple, Optional

import numpy as np

from espnet2_distilmos.tokens.layout import standard_file
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

if TYPE_CHECKING:
    import torch

# A channel that varies less than this part of its mean is constant but for rounding.
CONSTANT = 1e-6
ROWS = 65536  # frames at a time


class Standard(NamedTuple):
    """Mean and deviation of every channel of a layer.

    Attributes:
        mean: (D,) float64.
        deviation: (D,) float64, all above zero.
    """

    mean: "torch.Tensor"
    deviation: "torch.Tensor"

    def of(self, states: "torch.Tensor") -> "torch.Tensor":
        """Map (T, D) states to standardised ones, in float64."""
        mean, deviation = self.mean.to(states.device), self.deviation.to(states.device)
        return (states.double() - mean) / deviation


def blocks(frames: np.ndarray) -> Iterator[slice]:
    """Yield rows in blocks, for what takes more memory a row than the frames do."""
    for first in range(0, len(frames), ROWS):
        yield slice(first, first + ROWS)


def measure(path: PathLike) -> np.ndarray:
    """Map the (n, D) frames of a file to (2, D) float32: their mean and deviation.

    Channels that are constant keep their scale (a deviation of 1).

    Memory: little, the frames stay on disk.
    """
    frames = read_array(path, mapped=True)
    # In float64, twice over: squares of outlier channels would lose the digits.
    total = sum(frames[rows].sum(0, dtype=np.float64) for rows in blocks(frames))
    mean = np.asarray(total) / len(frames)
    squares = sum(np.square(frames[rows] - mean).sum(0) for rows in blocks(frames))
    deviation = np.sqrt(np.asarray(squares) / len(frames))
    deviation[deviation <= CONSTANT * np.abs(mean)] = 1.0
    return np.stack([mean, deviation]).astype(np.float32)


def standardize(frames: np.ndarray, standard: np.ndarray) -> None:
    """Standardise (n, D) float32 frames in place, by (2, D) of :func:`measure`."""
    mean, deviation = standard.astype(np.float64)
    for rows in blocks(frames):
        frames[rows] = (frames[rows] - mean) / deviation


def is_standardized(provenance: Mapping[str, Any]) -> bool:
    """Tell whether the centroids of a `provenance.yaml` are of standardised states."""
    return bool(provenance.get("standardize_states", False))


def read_standard(
    kmeans_dir: PathLike, layer: int, provenance: Mapping[str, Any], size: int
) -> Optional[Standard]:
    """Read what stage 3 has standardised a layer by; None where it has not.

    Args:
        kmeans_dir: folder of the centroids.
        layer: its number.
        provenance: of these, or what the task has kept of it.
        size: channels of the upstream's states.

    Raises:
        UserError: no such file, or one of other states.
    """
    if not is_standardized(provenance):
        return None
    import torch  # of no use to k-means, and slow to import

    path = standard_file(Path(kmeans_dir), layer)
    if not path.is_file():
        raise UserError(f"{path}: no such file; run stage 3 again")
    found = torch.from_numpy(read_array(path)).double()
    if found.shape != (2, size) or not (found[1] > 0).all():
        raise UserError(
            f"{path}: no mean and deviation of {size} channels; run stages 2 and 3 "
            "again"
        )
    return Standard(found[0], found[1])
