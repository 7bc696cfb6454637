#!/usr/bin/env python3
"""A training step of DistilMOS against the same network without the token loss.

Time: both in one process, in turn. Memory: of each, what autograd keeps for the
backward pass (the part that grows with the batch), and trained parameters with their
gradients and AdamW's moments. Prints one line of JSON.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from common import measure, ratio, upstream_conf


def build(conf, tokens: bool):
    """The model, and its optimiser."""
    from espnet2_distilmos.model.loss import DistilMOSLoss
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel

    torch.manual_seed(0)
    network = build_network(conf, "distilmos", {}, 200 if tokens else 0)
    columns = list(range(len(network.upstream.layers))) if tokens else None
    loss = DistilMOSLoss(token_weight=0.3 if tokens else 0.0)
    model = ESPnetDistilMOSModel(
        network, loss, n_tokens=200 if tokens else 0, token_columns=columns
    ).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    return model, torch.optim.AdamW(trained, lr=1e-5)


def make_batch(n_clips: int, seconds: float, n_layers: int):
    """A batch of equal clips."""
    n = int(seconds * 16000)
    frames = (n - 400) // 320 + 1
    generator = torch.Generator().manual_seed(0)
    return {
        "speech": 0.1 * torch.randn(n_clips, n, generator=generator),
        "speech_lengths": torch.full((n_clips,), n),
        "mos": torch.linspace(1, 5, n_clips).view(-1, 1),
        "tokens": torch.randint(200, (n_clips, frames, n_layers), generator=generator),
        "tokens_lengths": torch.full((n_clips,), frames),
    }


def kept_bytes(model, batch) -> int:
    """Bytes of the tensors that autograd keeps, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(**batch)["loss"]
    total = sum(kept.values())  # while `loss` holds them all
    del loss
    return total


def main(cmd=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)
    size = "tiny" if args.quick else "base"
    n_clips, seconds = (2, 1.0) if args.quick else (3, 3.0)
    with tempfile.TemporaryDirectory() as tmp:
        conf = upstream_conf(Path(tmp), size)
        models = {name: build(conf, name == "tokens") for name in ("tokens", "plain")}
    n_layers = len(models["plain"][0].network.upstream.layers)
    batch = make_batch(n_clips, seconds, n_layers)
    plain = {k: v for k, v in batch.items() if not k.startswith("tokens")}
    batches = {"tokens": batch, "plain": plain}

    def step(name):
        model, optimizer = models[name]
        optimizer.zero_grad()
        model(**batches[name])["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    for name in models:
        step(name)  # the first is slow, and makes the optimiser's state
    memory = {}
    for name, (model, _) in models.items():
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        # Weights, gradients and AdamW's two moments, in float32.
        memory[name] = kept_bytes(model, batches[name]) + 16 * trained
    parts = {name: lambda name=name: step(name) for name in models}
    times = measure(parts, rounds=2 if args.quick else 4)
    print(
        json.dumps(
            {
                "size": size,
                "audio_seconds": n_clips * seconds,
                "seconds": times,
                "memory_bytes": memory,
                "tokens_over_plain": ratio(times, "tokens", "plain"),
                "memory_tokens_over_plain": memory["tokens"] / memory["plain"],
            }
        )
    )


if __name__ == "__main__":
    main()
