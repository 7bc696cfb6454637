"""Regressions: of clips, or of their frames, each of which is to have the label."""

from typing import Dict, Optional, Type

import torch

from espnet2_distilmos.model.upstream.adapters import frame_mask

# What a score is compared with the label on.
CLIP, FRAME = "clip", "frame"
LEVELS = (CLIP, FRAME)


class L1Loss(torch.nn.Module):
    """Mean over the batch of |error|.

    Errors of at most `margin` (MOS units) count as zero, so that the noise of the
    labels is not learned (as in UTMOS and SHEET).

    Args:
        margin: 0 = plain L1.

    Attributes:
        power: of the error: a loss of errors in other units is that of these times
            their ratio to this power.
    """

    power = 1

    def __init__(self, margin: float = 0.0):
        super().__init__()
        if margin < 0:
            raise ValueError("margin must not be negative")
        self.margin = margin

    def forward(
        self,
        predicted: torch.Tensor,
        target: torch.Tensor,
        weights: Optional[torch.Tensor] = None,
    ) -> torch.Tensor:
        """Map (B,) scores, (B,) labels -> () mean, or the sum with (B,) `weights`."""
        error = (predicted - target).abs()
        value = self._value(error)
        # This way round, a NaN stays one.
        value = torch.where(error <= self.margin, torch.zeros_like(value), value)
        return value.mean() if weights is None else (weights * value).sum()

    def _value(self, error: torch.Tensor) -> torch.Tensor:
        return error


class MSELoss(L1Loss):
    """Mean over the batch of error^2; with a margin as :class:`L1Loss`."""

    power = 2

    def _value(self, error: torch.Tensor) -> torch.Tensor:
        return error**2


REGRESSIONS: Dict[str, Type[L1Loss]] = {"l1": L1Loss, "mse": MSELoss}


def of_frames(
    regression: torch.nn.Module,
    frames: torch.Tensor,
    lengths: torch.Tensor,
    target: torch.Tensor,
    weights: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Compute a regression of all valid frames, averaged over frames, then clips.

    A frame within the margin counts as zero, whatever the clip's mean is. (UTMOS,
    arXiv 2204.02152, and SHEET average over all frames of a batch at once, where
    long clips count more, and those that padding repeats.)

    Args:
        regression: of :data:`REGRESSIONS`.
        frames: (N, T) scores of frames, MOS units.
        lengths: (N,) numbers of valid frames.
        target: (N,) labels.
        weights: (N,) of the clips; None = 1 / N each.

    Returns:
        () loss.
    """
    mask = frame_mask(lengths, frames.size(1))
    if weights is None:
        weights = torch.full_like(target, 1 / len(target))
    labels = target.unsqueeze(1).expand_as(frames)
    # Padded frames are no error, rather than left out: their number is not waited for.
    frames = torch.where(mask, frames, labels.to(frames.dtype))
    shares = mask * (weights / lengths).unsqueeze(1)
    return regression(frames.flatten(), labels.flatten(), shares.flatten())
