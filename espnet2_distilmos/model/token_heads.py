"""Token heads: what each layer of the pretrained upstream said, from one frame."""

from typing import List

import torch


class TokenHeads(torch.nn.Module):
    """One 3-layer MLP with ReLU a target layer (arXiv 2601.13700).

    Args:
        n_layers: number of target layers (L).
        size: channels of a frame (H).
        n_tokens: number of k-means clusters (k).
    """

    def __init__(self, n_layers: int, size: int, n_tokens: int):
        super().__init__()
        self.heads = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Linear(size, size),
                torch.nn.ReLU(),
                torch.nn.Linear(size, size),
                torch.nn.ReLU(),
                torch.nn.Linear(size, n_tokens),
            )
            for _ in range(n_layers)
        )

    def forward(self, frames: torch.Tensor) -> List[torch.Tensor]:
        """(B, T, H) -> L tensors of logits (B, T, k)."""
        return [head(frames) for head in self.heads]
