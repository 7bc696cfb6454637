"""Sums and rows over the processes of a training, on any backend."""

from typing import Any

import torch
import torch.distributed as dist


def many_processes() -> bool:
    """Tell whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _SumOfProcesses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # The sum went into the loss of every process.
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


def sum_of_processes(x: torch.Tensor) -> torch.Tensor:
    """Sum of `x`, of one shape everywhere, over all processes, with its gradient."""
    return _SumOfProcesses.apply(x)


def rows_of_processes(x: torch.Tensor) -> torch.Tensor:
    """Map (N, C) of every process, N may differ -> (sum of N, C), without gradient."""
    x = x.detach().contiguous()
    sizes = [torch.zeros(1, dtype=torch.long, device=x.device) for _ in _ranks()]
    dist.all_gather(sizes, torch.tensor([len(x)], device=x.device))
    longest = int(max(sizes))
    padded = torch.cat([x, x.new_zeros(longest - len(x), x.size(1))])
    parts = [torch.empty_like(padded) for _ in _ranks()]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(n)] for part, n in zip(parts, sizes)])


def _ranks() -> range:
    return range(dist.get_world_size())
