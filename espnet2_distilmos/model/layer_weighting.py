"""Learnable weights over the upstream's layers."""

from typing import Dict, List, Type

import torch
from entmax import entmax15


class EntmaxLayerWeighting(torch.nn.Module):
    """Sparse weighted sum over layers, then a linear map (arXiv 2601.13700).

    weights = entmax(alpha 1.5) of the logits less their mean. A layer far behind
    (0.65 for 12 equal others) gets weight exactly zero and no gradient.

    Args:
        n_layers: number of layers (L).
        size: channels of a hidden state (D).
    """

    def __init__(self, n_layers: int, size: int):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(n_layers))
        self.projection = torch.nn.Linear(size, size)

    def weights(self) -> torch.Tensor:
        """Return (L,) weights; they sum to 1."""
        return entmax15(self.logits - self.logits.mean(), dim=-1)

    def forward(self, states: List[torch.Tensor]) -> torch.Tensor:
        """Map L tensors (B, T, D) -> (B, T, D)."""
        total = sum(w * state for w, state in zip(self.weights(), states))
        return self.projection(total)


class SoftmaxLayerWeighting(EntmaxLayerWeighting):
    """The same with softmax: every layer keeps some weight and a gradient.

    Args: see :class:`EntmaxLayerWeighting`.
    """

    def weights(self) -> torch.Tensor:
        """Return (L,) weights; they sum to 1."""
        return self.logits.softmax(-1)


LAYER_WEIGHTINGS: Dict[str, Type[EntmaxLayerWeighting]] = {
    "entmax": EntmaxLayerWeighting,
    "softmax": SoftmaxLayerWeighting,
}
