"""The wav2vec 2.0 family's CNN on a padded batch."""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F

Convolutions = List[Tuple[int, int]]


def convolutions_of(cnn: torch.nn.Module) -> Convolutions:
    """Return (kernel, stride) of every convolution, in order."""
    return [
        (module.kernel_size[0], module.stride[0])
        for module in cnn.modules()
        if isinstance(module, torch.nn.Conv1d)
    ]


def output_length(n_samples: int, convolutions: Convolutions) -> int:
    """Return frames that convolutions without padding make of a clip."""
    for kernel, stride in convolutions:
        n_samples = (n_samples - kernel) // stride + 1
    return max(n_samples, 0)


class MaskedGroupNorm(torch.nn.GroupNorm):
    """GroupNorm over time with statistics of the true frames only.

    Takes the place of a GroupNorm with one channel a group, whose parameters it shares.
    Without padding in the convolutions it is the one place of the CNN where frames of
    a clip depend on what stands behind its end.

    Attributes:
        lengths: (B,) true numbers of frames of its input; None = all are true.
    """

    lengths: Optional[torch.Tensor] = None

    def __init__(self, norm: torch.nn.GroupNorm):
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T) -> (B, C, T)."""
        weight, bias = self.weight.float(), self.bias.float()
        if self.lengths is None:
            out = F.group_norm(x.float(), self.num_groups, weight, bias, self.eps)
            return out.type_as(x)
        n = self.lengths.view(-1, 1, 1)
        mask = torch.arange(x.size(2), device=x.device) < n
        y = x.float() * mask
        centred = (y - y.sum(2, keepdim=True) / n) * mask
        variance = centred.square().sum(2, keepdim=True) / n
        y = centred * torch.rsqrt(variance + self.eps)
        return (y * weight.unsqueeze(1) + bias.unsqueeze(1)).type_as(x)


def mask_group_norm(cnn: torch.nn.Module) -> Optional[List[MaskedGroupNorm]]:
    """Replace the GroupNorm of the first layer; keys of the state dict stay.

    Returns what was put in ([] for LayerNorm CNNs, which need no mask), or None if
    the CNN has norms over time that this module does not know how to mask.
    """
    norms = [
        (name, module)
        for name, module in cnn.named_modules()
        if isinstance(module, torch.nn.GroupNorm)
    ]
    if len(norms) > 1 or any(n.num_groups != n.num_channels for _, n in norms):
        return None
    made = []
    for name, norm in norms:
        parent, _, child = name.rpartition(".")
        made.append(MaskedGroupNorm(norm))
        setattr(cnn.get_submodule(parent), child, made[-1])
    return made
