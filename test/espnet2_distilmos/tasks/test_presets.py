"""Files of options: what each changes; presets for GPUs, and what they turn on."""

import io
from pathlib import Path

import pytest
import torch
import yaml

CONF = Path(__file__).parents[3] / "conf"
PRESETS = sorted((CONF / "tuning").glob("train_distilmos_*gb.yaml"))
FILES = {
    path.stem: path
    for folder in (CONF, CONF / "tuning")
    for path in sorted(folder.glob("train_*.yaml"))
}
ROOT = "train_distilmos"
_GPU = "num_workers use_amp"
_UTMOS = " ".join(
    f"loss_conf.{key}"
    for key in (
        *("regression", "regression_level", "margin"),
        *("contrastive_weight", "contrastive_margin"),
    )
)
_DECAY = "scheduler scheduler_conf patience log_interval batch_bins"
_TINY = "optim_conf.lr upstream_lr loss_conf.token_weight predictor_conf.hidden_size"
# ESPnet's training takes one file, so each is whole. Here: a file, the one that it is
# made after, and the keys in which it differs (`x_conf`: any below it).
BASES = {
    "train_nodistil": (ROOT, "loss_conf.token_weight"),
    "train_sslmos": (
        "train_nodistil",
        "predictor layer_logits_lr optim_conf.lr batch_bins "
        "scheduler_conf.warmup_steps",
    ),
    "train_distilmos_base_24gb": (
        ROOT,
        f"{_GPU} {_UTMOS} scheduler scheduler_conf num_iters_per_epoch max_epoch "
        "best_model_criterion patience",
    ),
    "train_distilmos_base_80gb": ("train_distilmos_base_24gb", "batch_bins"),
    "train_distilmos_large_24gb": (
        "train_distilmos_base_24gb",
        "batch_bins accum_grad num_iters_per_epoch "
        "upstream_conf.gradient_checkpointing",
    ),
    "train_distilmos_large_80gb": ("train_distilmos_base_24gb", ""),
    "train_distilmos_own": (
        ROOT,
        f"{_DECAY} best_model_criterion early_stopping_criterion keep_nbest_models "
        "min_steps standardize_labels",
    ),
    "train_distilmos_own_mini": (
        "train_distilmos_own",
        f"{_TINY} max_epoch min_steps num_workers batch_bins",
    ),
    "train_distilmos_mini": (
        ROOT,
        f"{_DECAY} {_TINY} max_epoch num_iters_per_epoch num_workers",
    ),
    "train_distilmos_whisper_tiny": (
        "train_distilmos_mini",
        "predictor_conf optim_conf.lr upstream_lr upstream_conf.frozen_layers "
        "loss_conf.token_weight num_threads "
        "batch_bins max_epoch scheduler_conf.max_steps num_iters_per_epoch",
    ),
    "train_distilmos_own_whisper_tiny": (
        "train_distilmos_whisper_tiny",
        "scheduler_conf.max_steps max_epoch num_iters_per_epoch min_steps "
        "standardize_labels best_model_criterion early_stopping_criterion "
        "keep_nbest_models predictor_conf.readout_weight",
    ),
    "train_sslmos_own_whisper_tiny": (
        "train_distilmos_own_whisper_tiny",
        "predictor predictor_conf loss_conf.token_weight layer_logits_lr",
    ),
    # The experiment's: all blocks are free to move, and nothing is the probe's.
    "train_distilmos_experiment": (
        "train_distilmos_whisper_tiny",
        "predictor_conf.readout predictor_conf.readout_layers "
        "upstream_conf.frozen_layers freeze_upstream_steps batch_bins num_threads "
        "num_workers optim_conf.fused",
    ),
    "train_sslmos_experiment": (
        "train_distilmos_experiment",
        "predictor predictor_conf loss_conf.token_weight layer_logits_lr",
    ),
}


def flat(conf, before=""):
    """{"a": {"b": 1}} -> {"a.b": 1}"""
    found = {}
    for key, value in conf.items():
        nested = isinstance(value, dict)
        found |= flat(value, f"{before}{key}.") if nested else {f"{before}{key}": value}
    return found


@pytest.fixture(scope="module")
def resolved():
    """Name of a file -> its options, flat, with the defaults where it is silent."""
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    printed = io.StringIO()
    DistilMOSTask.print_config(printed)
    defaults = flat(yaml.safe_load(printed.getvalue()))
    return {
        name: {**defaults, **flat(yaml.safe_load(path.read_text()))}
        for name, path in FILES.items()
    }


def differing(old, new):
    return {k for k in {*old, *new} if old.get(k) != new.get(k)}


@pytest.mark.parametrize("name", sorted({*FILES, *BASES} - {ROOT}))
def test_a_file_differs_from_its_base_in_the_stated_keys_only(name, resolved):
    base, stated = BASES[name]
    found = differing(resolved[base], resolved[name])
    keys = stated.split()
    covered = {k: {f for f in found if f == k or f.startswith(f"{k}.")} for k in keys}
    assert found == set().union(*covered.values())
    assert all(covered.values()), "a key that is stated does not differ"


def test_a_difference_that_is_not_stated_is_seen(resolved):
    one = resolved[ROOT]
    assert differing(one, {**one, "loss_conf.unit": 2.0}) == {"loss_conf.unit"}
    assert differing(one, one) == set()
    # A file that leaves out a default says the same.
    assert resolved["train_nodistil"]["loss_conf.label_smoothing"] == 0.0


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_for_a_gpu(preset):
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    args = DistilMOSTask.get_parser().parse_args(["--config", str(preset)])
    assert args.use_amp
    # The presets with checkpointing are those that need it.
    checkpointing = args.upstream_conf.get("gradient_checkpointing", False)
    assert checkpointing is ("large_24gb" in preset.stem)
    # What changes the published network is off.
    assert args.ema_decay is None and args.upstream_steps == 0
    assert args.upstream_layer_decay == 1 and args.predictor_conf["norm"] == "batch"


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
