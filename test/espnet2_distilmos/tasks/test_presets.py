"""The presets for GPUs: options that exist, and what they turn on, on a CPU."""

from pathlib import Path

import pytest
import torch

CONF = Path(__file__).parents[3] / "conf"
PRESETS = sorted((CONF / "tuning").glob("train_distilmos_*gb.yaml"))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_the_usual_training_on_a_gpu(preset):
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    args, usual = (
        # A parser keeps what a file sets: one for each.
        DistilMOSTask.get_parser().parse_args(["--config", str(path)])
        for path in (preset, CONF / "train_distilmos.yaml")
    )
    differ = {k for k, v in vars(args).items() if v != vars(usual)[k]}
    assert differ <= {
        *("config", "batch_bins", "accum_grad", "num_workers", "use_amp"),
        *("upstream_conf", "scheduler_conf"),
    }
    assert args.use_amp and not usual.use_amp
    # A batch that is n times as large makes an n-th of the steps, and of the warm-up.
    times = 4 if "base_80gb" in preset.stem else 1
    assert args.batch_bins * args.accum_grad == times * usual.batch_bins
    warm_up = usual.scheduler_conf["warmup_steps"] // times
    assert args.scheduler_conf == {"warmup_steps": warm_up}
    # The presets with checkpointing are those that need it.
    checkpointing = args.upstream_conf.get("gradient_checkpointing", False)
    assert checkpointing is ("large_24gb" in preset.stem)


def test_there_is_a_preset_for_either_size_and_card():
    names = {path.stem for path in PRESETS}
    sizes = [f"{size}_{card}gb" for size in ("base", "large") for card in (24, 80)]
    assert names == {f"train_distilmos_{name}" for name in sizes}


@pytest.mark.parametrize("style", ["post", "pre"])
def test_a_step_in_bfloat16_is_near_that_in_float32(style, wavlm_conf, batch_of):
    """What use_amp does on a GPU, with checkpointing, here on the CPU."""
    from espnet2_distilmos.model.loss import DistilMOSLoss
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel

    conf = wavlm_conf(
        style,
        config={"dropout": 0.0, "attention_dropout": 0.0, "encoder_layerdrop": 0.0},
        gradient_checkpointing=True,
        feature_grad_mult=1.0,
    )
    torch.manual_seed(0)
    network = build_network(conf, "distilmos", {"hidden_size": 16, "dropout": 0.0}, 8)
    loss = DistilMOSLoss(token_weight=0.3)
    model = ESPnetDistilMOSModel(network, loss, n_tokens=8, token_columns=[0, 1, 2])
    speech, lengths = batch_of([16000, 9000])
    frames = torch.tensor([49, 27])
    batch = {
        "speech": speech,
        "speech_lengths": lengths,
        "mos": torch.tensor([[2.0], [4.0]]),
        "tokens": torch.arange(49).view(1, 49, 1).expand(2, 49, 3) % 8,
        "tokens_lengths": frames,
    }
    losses, gradients = [], []
    for amp in (False, True):
        model.train().zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            found = model(**batch)["loss"]
        found.backward()
        losses.append(found.item())
        trained = [p.grad for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat([g.float().flatten() for g in trained]))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert gradients[1].isfinite().all()
    assert torch.cosine_similarity(*gradients, dim=0) > 0.95
