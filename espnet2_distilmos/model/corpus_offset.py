"""Corpus offset: listening tests use the scale differently."""

from typing import Sequence

import torch
import torch.nn.functional as F

# Number of no corpus in particular: the mean over all.
MEAN_CORPUS = -1


class CorpusOffset(torch.nn.Module):
    """A learned number a corpus (MOS units) that is added to its scores.

    The mean over the corpora is taken off, so that the offsets are identifiable
    (the output's bias holds what they share) and the mean corpus has offset 0.

    Args:
        names: of the corpora, at least two.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__()
        if len(names) < 2:
            raise ValueError(f"offsets need at least two corpora, not {list(names)}")
        self.names = tuple(names)
        self.raw = torch.nn.Parameter(torch.zeros(len(names)))

    def values(self) -> torch.Tensor:
        """Return (C,) offsets; their mean is 0."""
        return self.raw - self.raw.mean()

    def forward(self, corpus: torch.Tensor) -> torch.Tensor:
        """Map (B,) corpus numbers, MEAN_CORPUS among them -> (B,) offsets."""
        return F.pad(self.values(), (0, 1))[corpus]
