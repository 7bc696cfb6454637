"""What holds an upstream near its pretrained start, beside or instead of tokens."""

from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter, frame_mask
from espnet2_distilmos.utils.errors import UserError

# A channel counts as if its variance were at least this part of its layer's median: one
# that hardly varies would else count more than all others.
LEAST_VARIANCE = 0.01
# And at least this part of its mean square, which a clip of one frame has, too.
LEAST_OF_SQUARE = 1e-6


@dataclass
class ComparedStates:
    """Hidden states of some layers, as trained and as pretrained.

    Attributes:
        trained: a (B, T, D) tensor a layer.
        pretrained: of the same layers, without gradient.
        lengths: (B,) numbers of frames.
        layers: their numbers.
    """

    trained: List[torch.Tensor]
    pretrained: List[torch.Tensor]
    lengths: torch.Tensor
    layers: Tuple[int, ...] = ()

    def of(self, layers: Sequence[int]) -> "ComparedStates":
        """Return those of some of the layers."""
        places = [self.layers.index(layer) for layer in layers]
        trained, pretrained = (
            [states[i] for i in places] for states in (self.trained, self.pretrained)
        )
        return ComparedStates(trained, pretrained, self.lengths, tuple(layers))


def state_distance(states: ComparedStates) -> torch.Tensor:
    """Compute how far states have moved, in variances of the pretrained ones.

    Every channel of every layer is taken in units of its own deviation over the valid
    frames of the batch as pretrained, in float32: pre-norm encoders have a few channels
    that are tens of times as large as the others, and would be all of a plain mean
    square error. All valid frames, channels and layers count alike.

    Returns:
        () mean: 0 where nothing has moved, 1 where the states are as far from what they
        were as are those of a constant, the mean frame.
    """
    mask = frame_mask(states.lengths, states.trained[0].size(1)).unsqueeze(-1)
    n_frames = states.lengths.sum()
    found = []
    # Half precision would round what is small beside an outlier away.
    with torch.autocast(mask.device.type, enabled=False):
        for trained, pretrained in zip(states.trained, states.pretrained, strict=True):
            moved = (trained.float() - pretrained.float()).square()
            moved = moved.masked_fill(~mask, 0.0).sum((0, 1)) / n_frames
            found.append((moved / _variances(pretrained, mask, n_frames)).mean())
    return torch.stack(found).mean()


@torch.no_grad()
def _variances(
    states: torch.Tensor, mask: torch.Tensor, n_frames: torch.Tensor
) -> torch.Tensor:
    """Map (B, T, D), (B, T, 1) -> (D,) variances, none of them next to zero."""
    x = states.float().masked_fill(~mask, 0.0)
    mean = x.sum((0, 1)) / n_frames
    variance = (x - mean).masked_fill(~mask, 0.0).square().sum((0, 1)) / n_frames
    least = LEAST_VARIANCE * variance.median()
    square = LEAST_OF_SQUARE * x.square().sum((0, 1)) / n_frames
    tiny = torch.finfo(variance.dtype).tiny
    return torch.maximum(torch.maximum(variance, least), square).clamp(min=tiny)


def trained_layers(upstream: UpstreamAdapter) -> Tuple[int, ...]:
    """Return the chosen layers of an upstream that are trained.

    Raises:
        UserError: there is none.
    """
    conf = upstream.conf
    layers = tuple(n for n in upstream.layers if n > conf.frozen_layers)
    if conf.freeze or not layers:
        raise UserError(
            f"loss_conf state_weight needs layers of {conf.upstream} that are trained, "
            f"but freeze is {str(conf.freeze).lower()} and frozen_layers "
            f"{conf.frozen_layers}; leave it out, or freeze less"
        )
    return layers


class PretrainedStart:
    """The trained parameters of an upstream as they were when this was made.

    That is, as pretrained if it is made before any other weights are loaded. It is no
    module: a checkpoint does not have it, since the upstream's own weights, which every
    start and every resumption of a training begins with, are the same again.

    Memory: 4 bytes a trained parameter.

    Args:
        upstream: as pretrained.

    Raises:
        UserError: nothing of it is trained.
    """

    def __init__(self, upstream: UpstreamAdapter):
        trained = [p for p in upstream.parameters() if p.requires_grad]
        if not trained:
            raise UserError(
                f"loss_conf l2sp_weight: nothing of {upstream.conf.upstream} is "
                "trained that could be held; leave it out, or freeze less"
            )
        self._pairs = [(p, p.detach().clone()) for p in trained]

    def distance(self) -> torch.Tensor:
        """Return half the sum of squared differences to the start, ().

        Parameters that someone has frozen since do not count.
        """
        self._pairs = [(p, start.to(p.device)) for p, start in self._pairs]
        found = [
            _HalfSquare.apply(p, start) for p, start in self._pairs if p.requires_grad
        ]
        return torch.stack(found).sum()


class _HalfSquare(torch.autograd.Function):
    """Half the squared distance of two tensors, with a gradient for the first.

    The difference is not kept for the backward pass, which would take as much memory as
    all the parameters.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, start)
        return (x - start).square().sum() / 2

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Tuple[Any, ...]:
        x, start = ctx.saved_tensors
        return gradients[0] * (x - start), None
