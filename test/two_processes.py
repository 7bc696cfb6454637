"""What test_processes.py runs in two processes, which must be able to import it."""

import torch
import torch.distributed as dist

from espnet2_distilmos.model.collectives import many_processes, rows_of_processes
from espnet2_distilmos.model.frame_encoder import ValidBatchNorm
from espnet2_distilmos.model.loss import ContrastiveLoss
from espnet2_distilmos.model.upstream.adapters import frame_mask

# Clips of the whole batch; the first process gets three of the five.
LENGTHS = [7, 2, 5, 1, 4]
PARTS = ([0, 1, 2], [3, 4])


def make_batch():
    generator = torch.Generator().manual_seed(0)
    x = 50 + torch.randn(5, 4, 7, generator=generator)  # a mean far from zero
    mos = torch.tensor([1.0, 2.5, 3.0, 4.5, 2.0])
    norm = ValidBatchNorm(4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.3]))
    return x, frame_mask(torch.tensor(LENGTHS)), mos, norm


def compute(x, mask, mos, norm, share):
    """Loss of some clips, `share` of the batch, and gradients as the trainer sums."""
    x = x.clone().requires_grad_()
    out = norm.train()(x, mask)
    predicted = 3 + out.sum((1, 2)) / mask.sum(1)
    loss = ContrastiveLoss(0.1)(predicted, mos)
    wave = (out.square() * torch.arange(1.0, 5.0).view(4, 1)).mean((1, 2))
    total = share * (loss + wave.mean())
    total.backward()
    return {
        "out": out.detach(),
        "loss": loss.detach(),
        "x": x.grad,
        "weight": norm.weight.grad,
        "bias": norm.bias.grad,
        "mean": norm.running_mean,
        "var": norm.running_var,
        "count": norm.num_batches_tracked,
    }


def work(rank, folder):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    assert many_processes()
    x, mask, mos, norm = make_batch()
    part = PARTS[rank]
    result = compute(x[part], mask[part], mos[part], norm, len(part) / 5)
    rows = rows_of_processes(torch.full((rank + 1, 2), float(rank)))
    # One frame in all: no variance anywhere, so the running statistics serve.
    short = ValidBatchNorm(4).train()
    only = torch.zeros(1, 1, dtype=torch.bool) if rank else torch.ones(1, 1).bool()
    one = short(torch.ones(1, 4, 1), only)
    torch.save({**result, "rows": rows, "one": one}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
