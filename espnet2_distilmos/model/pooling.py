"""Pooling: from frame scores to one score a clip."""

from typing import Dict, Type

import torch

from espnet2_distilmos.model.decoder import mean_of_frames
from espnet2_distilmos.model.upstream.adapters import frame_mask


class MeanPooling(torch.nn.Module):
    """Mean over valid frames (arXiv 2601.13700).

    Args:
        size: channels of a frame; not used.
    """

    def __init__(self, size: int):
        super().__init__()

    def forward(
        self, values: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Map (B, T) frame scores, (B, T, H), (B,) -> (B,)."""
        return mean_of_frames(values, lengths)


class AttentionPooling(torch.nn.Module):
    """Weighted mean: a softmax over valid frames says how much each counts.

    It starts as the plain mean.

    Args:
        size: channels of a frame (H).
    """

    def __init__(self, size: int):
        super().__init__()
        self.hidden = torch.nn.Linear(size, size)
        self.score = torch.nn.Linear(size, 1, bias=False)
        torch.nn.init.zeros_(self.score.weight)

    def forward(
        self, values: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Map (B, T) frame scores, (B, T, H), (B,) -> (B,)."""
        mask = frame_mask(lengths, values.size(1))
        scores = self.score(torch.tanh(self.hidden(frames))).squeeze(-1)
        weights = scores.masked_fill(~mask, -torch.inf).softmax(1)
        return (weights * values.masked_fill(~mask, 0.0)).sum(1)


POOLINGS: Dict[str, Type[torch.nn.Module]] = {
    "mean": MeanPooling,
    "attention": AttentionPooling,
}
