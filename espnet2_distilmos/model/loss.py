"""Losses: MOS regression, and token cross-entropy as self-distillation."""

from typing import Dict, List, Optional, Tuple

import torch
import torch.nn.functional as F

# Target of a frame that takes no part in the token loss.
IGNORE_TOKEN = -1


def regression_loss(
    predicted: torch.Tensor, target: torch.Tensor, kind: str, margin: float
) -> torch.Tensor:
    """Mean over the batch of |error| (`l1`) or error^2 (`mse`).

    Errors of at most `margin` (MOS units) count as zero, so that the noise of
    the labels is not learned (as in UTMOS and SHEET).

    Args:
        predicted: (B,) scores.
        target: (B,) labels.
        kind: `l1` or `mse`.
        margin: 0 = plain L1 or MSE.

    Returns:
        () loss.
    """
    error = (predicted - target).abs()
    value = error if kind == "l1" else error**2
    return torch.where(error > margin, value, torch.zeros_like(value)).mean()


def token_loss(
    logits: List[torch.Tensor], tokens: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy over valid frames, averaged over layers.

    Args:
        logits: one (B, T, k) tensor a layer.
        tokens: (B, T, L) token IDs, IGNORE_TOKEN in padded frames.

    Returns:
        () loss in nats, and () accuracy in [0, 1].
    """
    losses, accuracies = [], []
    for layer, layer_logits in enumerate(logits):
        target = tokens[..., layer]
        valid = target != IGNORE_TOKEN
        losses.append(
            F.cross_entropy(
                layer_logits.flatten(0, 1),
                target.flatten(),
                ignore_index=IGNORE_TOKEN,
            )
        )
        accuracies.append((layer_logits.argmax(-1) == target)[valid].float().mean())
    return torch.stack(losses).mean(), torch.stack(accuracies).mean().detach()


class DistilMOSLoss(torch.nn.Module):
    """MOS regression + token_weight x token cross-entropy (arXiv 2601.13700).

    Args:
        regression: `l1` or `mse`.
        margin: errors up to this (MOS units) are ignored.
        token_weight: weight of the token loss; 0 = none, no tokens needed.
    """

    def __init__(
        self, regression: str = "l1", margin: float = 0.0, token_weight: float = 1.0
    ):
        super().__init__()
        if regression not in ("l1", "mse"):
            raise ValueError(f"regression must be l1 or mse, not {regression!r}")
        if margin < 0 or token_weight < 0:
            raise ValueError("margin and token_weight must not be negative")
        self.regression = regression
        self.margin = margin
        self.token_weight = token_weight

    def forward(
        self,
        predicted: torch.Tensor,
        target: torch.Tensor,
        logits: Optional[List[torch.Tensor]] = None,
        tokens: Optional[torch.Tensor] = None,
    ) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """Compute the loss of a batch.

        Args:
            predicted: (B,) utterance scores in MOS units.
            target: (B,) labels in MOS units.
            logits: one (B, T, k) tensor a target layer; needed if token_weight > 0.
            tokens: (B, T, L) token IDs; needed if token_weight > 0.

        Returns:
            () loss, and detached stats: `loss`, `mos_loss` and, with tokens,
            `token_loss` (nats) and `token_acc`, in [0, 1].
        """
        mos_loss = regression_loss(predicted, target, self.regression, self.margin)
        stats = {"mos_loss": mos_loss.detach()}
        loss = mos_loss
        if self.token_weight > 0:
            tokens_loss, accuracy = token_loss(logits, tokens)
            loss = mos_loss + self.token_weight * tokens_loss
            stats["token_loss"] = tokens_loss.detach()
            stats["token_acc"] = accuracy
        return loss, {"loss": loss.detach(), **stats}
