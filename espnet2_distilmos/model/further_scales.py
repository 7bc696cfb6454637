"""Further scales: other qualities of a clip, an output each beside the MOS."""

from typing import List, Optional, Sequence, Tuple

import torch

from espnet2_distilmos.model.decoder import ScaleOutput
from espnet2_distilmos.utils.values import to_scale_names


class FurtherScales(torch.nn.Module):
    """A linear map to one value a frame for each scale.

    Each stands beside the decoder's own output, on the same channels, so that all that
    the network knows of a clip is shared.

    Args:
        names: of the scales, e.g. `SIG`, `BAK`.
        size: channels of a frame.
        means: of the training labels of each scale (its units), from which its scores
            then start; None = they start at 3, as the MOS does.
        stds: their standard deviations, with `means` only.

    Raises:
        ValueError: a name that no scale can have, or other numbers of means.
    """

    def __init__(
        self,
        names: Sequence[str],
        size: int,
        means: Optional[Sequence[float]] = None,
        stds: Optional[Sequence[float]] = None,
    ):
        super().__init__()
        self.names = _require_names(names)
        n = len(self.names)
        for given in (means, stds):
            if given is not None and len(given) != n:
                raise ValueError(f"{len(given)} numbers for {n} scales")
        starts: Sequence[Optional[float]] = means or [None] * n
        self.outputs = torch.nn.ModuleList(
            ScaleOutput(size, mean, std) for mean, std in zip(starts, stds or [1.0] * n)
        )

    def forward(self, frames: torch.Tensor) -> List[torch.Tensor]:
        """Map (B, T, size) -> a (B, T) tensor a scale, in its units."""
        return [output(frames).squeeze(-1) for output in self.outputs]


def _require_names(names: Sequence[str]) -> Tuple[str, ...]:
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(name, str) for name in names
    ):
        raise ValueError(f"scales: a list of names was expected, not {names!r}")
    return to_scale_names(names)
