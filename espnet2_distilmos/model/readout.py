"""Readouts: a score from frozen hidden states at once, beside the decoder's.

What a linear probe reads off a frozen upstream (mean and deviation over time of every
layer) holds for degradations that were never heard, where what a fine-tuned network has
learned holds less; that network in turn knows better what it was trained on. A model
with a readout is both: its score is their weighted mean.
"""

from typing import Dict, List, Optional, Sequence, Tuple, Type

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.decoder import mean_of_frames
from espnet2_distilmos.model.upstream.adapters import frame_mask

# Share of a readout in the score. Not learned: the training clips, to which the probe
# is fitted, cannot tell how much it is to be trusted elsewhere. The choice between 0.25
# and 0.5 mattered little (doc/training.md).
READOUT_WEIGHT = 0.3


class StatisticsReadout(torch.nn.Module):
    """A linear map of the standardised mean and deviation over time of some states.

    The features are those of :mod:`espnet2_distilmos.tokens.layer_statistics`: the
    means of its layers, one layer behind the other, then the deviations. The scale of
    features and of labels is part of the weights, since the probe brings it along.
    Nothing of it is trained: its weights are those of a regression, which is the best
    map already. Without them every score is `label_mean`.

    Args:
        n_layers: number of layers (L).
        size: channels of a hidden state (D).
        label_mean: of the training labels (MOS units).
        label_std: their standard deviation, the unit in which the map is learned.
        n_scales: further scales (S), each with a map, a mean and a deviation.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    label_mean: torch.Tensor
    label_std: torch.Tensor
    scale_means: torch.Tensor
    scale_stds: torch.Tensor

    def __init__(
        self,
        n_layers: int,
        size: int,
        label_mean: float = 3.0,
        label_std: float = 1.0,
        n_scales: int = 0,
    ):
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * n_layers * size))
        self.register_buffer("scale", torch.ones(2 * n_layers * size))
        self.register_buffer("label_mean", torch.tensor(float(label_mean)))
        self.register_buffer("label_std", torch.tensor(float(label_std)))
        self.output = torch.nn.Linear(2 * n_layers * size, 1).requires_grad_(False)
        self.further: Optional[torch.nn.Linear] = None
        if n_scales > 0:
            self.register_buffer("scale_means", torch.full((n_scales,), 3.0))
            self.register_buffer("scale_stds", torch.ones(n_scales))
            # Without random numbers: a seed gives the rest the same start.
            self.further = torch.nn.utils.skip_init(
                torch.nn.Linear, 2 * n_layers * size, n_scales
            ).requires_grad_(False)
        self.reset()

    def reset(self) -> None:
        """Set the linear maps to zero."""
        for linear in (self.output, self.further):
            if linear is not None:
                torch.nn.init.zeros_(linear.weight)
                torch.nn.init.zeros_(linear.bias)

    def forward(
        self, states: List[torch.Tensor], lengths: torch.Tensor, stride: int = 1
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Score clips, and share their scores out over time.

        The part of the score that is linear in the mean is a mean over frames, each of
        which gets its own. The deviations are of the whole clip: all frames share that
        part, so that the mean over frames is the clip's score.

        Args:
            states: L tensors (B, T, D), padded with anything.
            lengths: (B,) numbers of frames.
            stride: frames a step of the prediction (S).

        Returns:
            (B,) scores of the clips, and (B, T') of their steps, T' = ceil(T / S); both
            in MOS units.
        """
        return self.read(states, lengths, stride)[0]

    def read(
        self, states: Sequence[torch.Tensor], lengths: torch.Tensor, stride: int = 1
    ) -> List[Tuple[torch.Tensor, torch.Tensor]]:
        """Do the same on all scales: a pair for the MOS, then one a further scale."""
        # Half precision would round scores by hundredths, and small deviations away.
        with torch.no_grad(), torch.autocast(states[0].device.type, enabled=False):
            return self._read(states, lengths, stride)

    def _read(
        self, states: Sequence[torch.Tensor], lengths: torch.Tensor, stride: int
    ) -> List[Tuple[torch.Tensor, torch.Tensor]]:
        maps = [(self.output, 0, self.label_mean, self.label_std)]
        if self.further is not None:
            pairs = zip(self.scale_means, self.scale_stds)
            maps += [(self.further, i, *pair) for i, pair in enumerate(pairs)]
        padded = ~frame_mask(lengths, states[0].size(1)).unsqueeze(-1)
        n_frames = lengths.unsqueeze(1)
        # What a unit of a channel is worth in a frame: the first half is of the means.
        slopes = []
        for linear, row, _, std in maps:
            worth = std * linear.weight[row] / self.scale
            slopes.append(worth[: worth.numel() // 2].view(len(states), -1))
        means, deviations = [], []
        none = torch.zeros_like(padded[:, :, 0], dtype=torch.float32)  # (B, T)
        around = [none] * len(maps)
        for state, *of_maps in zip(states, *slopes, strict=True):
            x = state.float().masked_fill(padded, 0.0)
            mean = x.sum(1) / n_frames
            x = (x - mean.unsqueeze(1)).masked_fill(padded, 0.0)
            means.append(mean)
            deviations.append((x.square().sum(1) / n_frames).sqrt())
            around = [sums + x @ slope for sums, slope in zip(around, of_maps)]
        features = (torch.cat(means + deviations, 1) - self.mean) / self.scale
        found = []
        for (linear, row, label_mean, std), sums in zip(maps, around, strict=True):
            scores = label_mean + std * linear(features)[:, row]
            steps = scores.unsqueeze(1) + _in_steps(sums, lengths, stride)
            found.append((scores, steps))
        return found

    @torch.no_grad()
    def rescale(self, slope: float, intercept: float) -> None:
        """Make it, for the MOS, the map to `intercept + slope x value`."""
        self.label_mean.mul_(slope).add_(intercept)
        self.label_std.mul_(slope)


def _in_steps(values: torch.Tensor, lengths: torch.Tensor, stride: int) -> torch.Tensor:
    """Map (B, T), zero in padded frames, to means over the frames of (B, T') steps.

    Their mean over a clip's steps is taken off: a last step of fewer frames counts as
    much as others.
    """
    values = F.pad(values, (0, -values.size(1) % stride))
    n_frames = frame_mask(lengths, values.size(1)).view(len(values), -1, stride).sum(-1)
    steps = values.view(len(values), -1, stride).sum(-1) / n_frames.clamp(min=1)
    n_steps = (lengths + stride - 1) // stride
    return steps - mean_of_frames(steps, n_steps).unsqueeze(1)


READOUTS: Dict[str, Type[StatisticsReadout]] = {"statistics": StatisticsReadout}
