"""The frame encoder: convolutions that never look at padded frames."""

from typing import Dict, Sequence, Tuple, Type, Union

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.collectives import many_processes, sum_of_processes
from espnet2_distilmos.model.upstream.adapters import frame_mask


class ValidBatchNorm(torch.nn.BatchNorm1d):
    """BatchNorm whose statistics come from valid frames only, of all processes.

    With several processes they share the sums of their frames, so that a batch may be
    split in any way; torch's SyncBatchNorm does the same on GPUs only.
    """

    # torch declares them optional, for norms without running statistics.
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor
    momentum: float

    def forward(  # type: ignore[override]  # it needs the mask, too
        self, x: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Map (B, C, T), (B, T) bool -> (B, C, T); padded frames come out as zero."""
        x = x.transpose(1, 2)
        frames = x[mask]  # (N, C)
        if self.training and many_processes():
            frames = self._normalise_together(frames)
        elif self.training and len(frames) >= 2:
            frames = self._normalise_alone(frames)
        else:
            # In training one frame has no variance; the running statistics serve.
            frames = self._normalise_as_in_eval(frames)
        out = torch.zeros_like(x, dtype=frames.dtype)
        out[mask] = frames
        return out.transpose(1, 2)

    def _normalise_as_in_eval(self, frames: torch.Tensor) -> torch.Tensor:
        """Map (N, C) -> (N, C), with the running statistics."""
        return F.batch_norm(
            frames,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=False,
            eps=self.eps,
        )

    def _normalise_alone(self, frames: torch.Tensor) -> torch.Tensor:
        """Map (N, C) -> (N, C), with the statistics of these frames."""
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        frames = F.batch_norm(
            frames,
            mean,
            variance,
            self.weight,
            self.bias,
            training=True,
            momentum=self.momentum,
            eps=self.eps,
        )
        self._run_on(mean, variance)
        return frames

    @torch.no_grad()
    def _run_on(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Take new running statistics, (C,) each, unless they are not finite.

        The trainer leaves out a batch with a NaN, which would stay in them for ever.
        """
        self.num_batches_tracked += 1
        finite = torch.isfinite(mean).all() & torch.isfinite(variance).all()
        for old, new in ((self.running_mean, mean), (self.running_var, variance)):
            old.copy_(torch.where(finite, new, old))

    def _normalise_together(self, frames: torch.Tensor) -> torch.Tensor:
        """Map (N, C) of this process -> (N, C), with the statistics of all."""
        # In float64: the difference of two large sums loses digits.
        wide = frames.double()
        count = wide.new_full((1,), len(wide))
        sums = torch.cat([count, wide.sum(0), wide.square().sum(0)])
        sums = sum_of_processes(sums)
        n, (total, squares) = sums[0].detach(), sums[1:].chunk(2)
        if n < 2:
            return self._normalise_as_in_eval(frames)
        mean = total / n
        variance = (squares / n - mean.square()).clamp(min=0)
        unbiased = (variance * n / (n - 1)).detach()
        self._run_on(
            self.running_mean.lerp(mean.to(self.running_mean.dtype), self.momentum),
            self.running_var.lerp(unbiased.to(self.running_var.dtype), self.momentum),
        )
        normal = (wide - mean) * torch.rsqrt(variance + self.eps)
        return normal.type_as(self.weight) * self.weight + self.bias


class ValidLayerNorm(torch.nn.LayerNorm):
    """LayerNorm over the channels of each valid frame: no frame knows of another."""

    def forward(  # type: ignore[override]  # it needs the mask, too
        self, x: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Map (B, C, T), (B, T) bool -> (B, C, T); padded frames come out as zero."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2) * mask.unsqueeze(1)


NORMS: Dict[str, Type[Union[ValidBatchNorm, ValidLayerNorm]]] = {
    "batch": ValidBatchNorm,
    "layer": ValidLayerNorm,
}


class SeparableConvBlock(torch.nn.Module):
    """Depthwise and pointwise convolution, norm, GELU.

    Args:
        size: channels (C).
        kernel: odd kernel size.
        stride: T frames become ceil(T / stride).
        norm: of :data:`NORMS`.
    """

    def __init__(self, size: int, kernel: int, stride: int, norm: str = "batch"):
        super().__init__()
        self.depthwise = torch.nn.Conv1d(
            size, size, kernel, stride, kernel // 2, groups=size, bias=False
        )
        self.pointwise = torch.nn.Conv1d(size, size, 1, bias=False)
        self.norm = NORMS[norm](size)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, C, T), zeros in padded frames -> (B, C, T'); `mask` is (B, T')."""
        # GELU(0) = 0: the norm's zeros in padded frames stay zeros.
        return F.gelu(self.norm(self.pointwise(self.depthwise(x)), mask))


class FrameEncoder(torch.nn.Module):
    """1x1 convolution, separable conv blocks, LayerNorm.

    Args:
        input_size: channels of the input (D).
        hidden_size: channels of the output (H).
        kernels: odd kernel size of each block.
        strides: stride of each block.
        norm: of the blocks: `batch` (published) or `layer`, which draws on no other
            clip of the batch and has no running statistics.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 256,
        kernels: Sequence[int] = (5, 3, 3),
        strides: Sequence[int] = (1, 1, 1),
        norm: str = "batch",
    ):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be {' or '.join(NORMS)}, not {norm!r}")
        if len(kernels) != len(strides) or any(k % 2 == 0 for k in kernels):
            raise ValueError(
                f"as many odd kernels as strides are needed: {kernels}, {strides}"
            )
        self.projection = torch.nn.Conv1d(input_size, hidden_size, 1)
        self.blocks = torch.nn.ModuleList(
            SeparableConvBlock(hidden_size, k, s, norm)
            for k, s in zip(kernels, strides)
        )
        self.norm = torch.nn.LayerNorm(hidden_size)
        self.strides = tuple(strides)

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T, D), (B,) -> (B, T', H), (B,); T' = ceil(T / strides' product)."""
        mask = frame_mask(lengths, x.size(1))
        x = self.projection(x.transpose(1, 2)) * mask.unsqueeze(1)
        for block, stride in zip(self.blocks, self.strides):
            # A step is padding only if all its frames are: ceil, not floor.
            lengths = (lengths + stride - 1) // stride
            mask = frame_mask(lengths, (x.size(2) + stride - 1) // stride)
            x = block(x, mask)
        return self.norm(x.transpose(1, 2)), lengths
