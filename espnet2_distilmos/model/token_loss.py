"""Tokens of the pretrained layers as targets: self-distillation (arXiv 2601.13700)."""

from typing import List, Optional, Sequence

import torch
import torch.nn.functional as F

# Target of a frame that takes no part in the token loss.
IGNORE_TOKEN = -1
# What counts alike.
FRAME, CLIP = "frame", "clip"
AVERAGES = (FRAME, CLIP)
# Targets: the token of a frame, or a probability of each.
HARD, SOFT = "hard", "soft"
TARGETS = (HARD, SOFT)


def token_accuracies(logits: List[torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """Map M logits (B, T, k), (B, T, M) IDs -> (M,) shares of right frames.

    NaN without valid frames.
    """
    valid = tokens[..., 0] != IGNORE_TOKEN
    right = [x.argmax(-1) == tokens[..., i] for i, x in enumerate(logits)]
    return torch.stack([r[valid].float().mean() for r in right]).detach()


class TokenLoss(torch.nn.Module):
    """Cross-entropy over valid frames, averaged over layers and codebooks.

    Args:
        label_smoothing: share of the target that goes to all tokens alike, in [0, 1).
        layer_weights: of the target layers, in their order; only their ratios matter.
            None = all alike (published).
        average: `frame`: all valid frames of a batch count alike (published), or
            `clip`: all clips do, and within each its frames.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        layer_weights: Optional[Sequence[float]] = None,
        average: str = FRAME,
    ):
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError("label_smoothing must be in [0, 1)")
        if average not in AVERAGES:
            raise ValueError(f"token_average must be frame or clip, not {average!r}")
        if layer_weights is not None:
            layer_weights = tuple(layer_weights)
            if min(layer_weights, default=-1) < 0 or not sum(layer_weights) > 0:
                raise ValueError(
                    "token_layer_weights must be numbers of at least 0, one of them "
                    f"above, not {list(layer_weights)}"
                )
        self.label_smoothing = label_smoothing
        self.layer_weights = layer_weights
        self.average = average

    def forward(
        self,
        logits: List[torch.Tensor],
        tokens: torch.Tensor,
        soft: Optional[List[torch.Tensor]] = None,
    ) -> torch.Tensor:
        """Compute the loss.

        Args:
            logits: one (B, T, k) tensor a target: M = layers x codebooks.
            tokens: (B, T, M) token IDs, IGNORE_TOKEN in padded frames.
            soft: one (B, T, k) tensor of probabilities a target, which the tokens give
                way to; None = none.

        Returns:
            () loss in nats.
        """
        wanted: Sequence = [None] * len(logits) if soft is None else soft
        found = [
            self._of_target(target_logits, tokens[..., target], wanted[target])
            for target, target_logits in enumerate(logits)
        ]
        losses = torch.stack(found)
        if self.layer_weights is None:
            return losses.mean()
        weights = losses.new_tensor(self.layer_weights)
        of_layers = losses.view(len(weights), -1).mean(1)  # over a layer's codebooks
        return (of_layers * weights).sum() / weights.sum()

    def _of_target(
        self, logits: torch.Tensor, tokens: torch.Tensor, soft: Optional[torch.Tensor]
    ) -> torch.Tensor:
        """Map (B, T, k), (B, T), perhaps (B, T, k) -> () cross-entropy."""
        plain = self.average == FRAME and soft is None
        found = F.cross_entropy(
            logits.flatten(0, 1),
            tokens.flatten() if soft is None else soft.flatten(0, 1),
            ignore_index=IGNORE_TOKEN,
            label_smoothing=self.label_smoothing,
            reduction="mean" if plain else "none",
        )
        if plain:
            return found
        valid = tokens != IGNORE_TOKEN
        of_clips = found.view_as(tokens).masked_fill(~valid, 0.0).sum(1)
        n_frames = valid.sum(1)
        if self.average == FRAME:
            return of_clips.sum() / n_frames.sum()
        return (of_clips / n_frames).mean()
