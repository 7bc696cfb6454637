"""Token heads: what each layer of the pretrained upstream said, from one frame."""

from typing import List

import torch


class TokenHeads(torch.nn.Module):
    """One 3-layer MLP with ReLU a target (arXiv 2601.13700).

    Args:
        n_targets: tokens a frame: target layers (L) x codebooks a layer (C).
        size: channels of a frame (H).
        n_tokens: number of k-means clusters (k).
    """

    def __init__(self, n_targets: int, size: int, n_tokens: int):
        super().__init__()
        self.heads = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Linear(size, size),
                torch.nn.ReLU(),
                torch.nn.Linear(size, size),
                torch.nn.ReLU(),
                torch.nn.Linear(size, n_tokens),
            )
            for _ in range(n_targets)
        )

    def forward(self, frames: torch.Tensor) -> List[torch.Tensor]:
        """Map (B, T, H) -> L x C logits (B, T, k), those of a layer together."""
        return [head(frames) for head in self.heads]
