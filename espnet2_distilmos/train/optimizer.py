"""Parameter groups: which part of the model learns how fast, and from when to when."""

import math
from typing import Any, Dict, List, Optional, Tuple, Type

import torch

from espnet2_distilmos.utils.errors import UserError


def build_optimizer(
    model: torch.nn.Module,
    optim_class: Type[torch.optim.Optimizer],
    optim_conf: Dict,
    upstream_lr: Optional[float] = None,
    cnn_lr: Optional[float] = None,
    layer_logits_lr: Optional[float] = None,
    freeze_upstream_steps: int = 0,
    upstream_layer_decay: float = 1.0,
    upstream_steps: int = 0,
    decay_upstream: bool = True,
) -> torch.optim.Optimizer:
    """Build one optimiser; CNN, transformer, logits and the rest are groups.

    Vectors (biases, norms, the logits) get no weight decay.

    Args:
        model: an :class:`ESPnetDistilMOSModel`.
        optim_class: of torch's or ESPnet's optimisers.
        optim_conf: its arguments; `lr` is that of all that is not named below.
        upstream_lr: of the upstream; None = `lr`.
        cnn_lr: of the upstream's CNN; None = `upstream_lr`, or with a layer decay below
            1 the lowest rate.
        layer_logits_lr: of the layer weighting's logits; None = `lr`.
        freeze_upstream_steps: the upstream stays as it is for so many steps. Its
            gradients are computed all the same (DDP wants them) and take part in
            the norm that is clipped.
        upstream_layer_decay: in (0, 1]: the upstream's top block has `upstream_lr`,
            each part below this many times the rate of the one above
            (:meth:`~.adapters.UpstreamAdapter.depths`).
        upstream_steps: the upstream's rates fall to zero in so many steps (those that
            it is frozen for not counted), on a straight line and beside what the
            scheduler does; then it stays as it is. 0 = they do not.
        decay_upstream: whether the upstream has weight decay, too.

    Raises:
        UserError: a value out of range, a decay of a model that has no blocks to tell,
            or without a rate, a rate of a CNN that there is not or that is not
            trained, or steps or decay of an upstream that is not.
        ValueError: a value that the optimiser does not take.
    """
    for name, rate in (
        ("upstream_lr", upstream_lr),
        ("cnn_lr", cnn_lr),
        ("layer_logits_lr", layer_logits_lr),
    ):
        if rate is not None and not 0 <= rate < math.inf:
            raise UserError(f"--{name} {rate:g}: a rate of 0 or more")
    counts = {
        "freeze_upstream_steps": freeze_upstream_steps,
        "upstream_steps": upstream_steps,
    }
    for name, steps in counts.items():
        if steps < 0:
            raise UserError(f"--{name} {steps}: 0 steps (off) or more")
    if not 0 < upstream_layer_decay <= 1:
        raise UserError(
            f"--upstream_layer_decay {upstream_layer_decay:g}: more than 0, up to 1"
        )
    network: Any = model.network
    rates = _upstream_rates(network.upstream, upstream_lr, cnn_lr, upstream_layer_decay)
    if not rates:  # the rates of presets say nothing, but these are asked for
        asked = [name for name, steps in counts.items() if steps]
        asked += ["upstream_layer_decay"] if upstream_layer_decay < 1 else []
        if asked:
            raise UserError(
                f"--{asked[0]}: nothing of the upstream is trained (upstream_conf "
                "freeze: true?); leave it out"
            )
    groups: Dict[Tuple, List[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        lr, frozen, falling = None, 0, 0
        decays = parameter.dim() > 1
        if name.startswith("network.upstream."):
            lr = rates[id(parameter)]
            frozen, falling = freeze_upstream_steps, upstream_steps
            decays = decays and decay_upstream
        elif name.endswith(".weighting.logits"):
            lr = layer_logits_lr
        key = (lr, decays, frozen, falling)
        groups.setdefault(key, []).append(parameter)
    base = dict(optim_conf)
    decay = base.pop("weight_decay", 0.0)
    optimizer = optim_class(
        [
            {
                "params": parameters,
                "weight_decay": decay if decays else 0.0,
                # In the group, so that a resumed training goes on counting.
                "frozen_steps_left": frozen,
                **({_OF: falling, _LEFT: falling} if falling else {}),
                **({} if lr is None else {"lr": lr}),
            }
            for (lr, decays, frozen, falling), parameters in groups.items()
        ],
        **base,
    )
    optimizer.register_step_pre_hook(_hold_groups)
    if upstream_steps:
        optimizer.register_step_post_hook(_restore_rates)
    return optimizer


def _upstream_rates(
    upstream: Any, upstream_lr: Optional[float], cnn_lr: Optional[float], decay: float
) -> Dict[int, Optional[float]]:
    """Return the rate of each parameter, by its `id`; None = that of all others."""
    depths: Dict[int, int] = {}
    if decay < 1:
        if upstream_lr is None:
            raise UserError("--upstream_layer_decay needs --upstream_lr: of the top")
        depths = upstream.depths()

    def rate(parameter: torch.nn.Parameter) -> Optional[float]:
        if upstream_lr is None or decay == 1:
            return upstream_lr
        return upstream_lr * decay ** depths[id(parameter)]

    rates = {id(p): rate(p) for p in upstream.parameters() if p.requires_grad}
    if cnn_lr is not None:
        cnn = getattr(upstream, "cnn", None)
        of_cnn = [] if cnn is None else [id(p) for p in cnn.parameters()]
        if rates.keys().isdisjoint(of_cnn):
            raise UserError(
                f"--cnn_lr {cnn_lr:g}: the upstream has no CNN that is trained "
                "(doc/upstreams.md: families with an adapter, frozen_layers, "
                "feature_grad_mult); leave it out"
            )
        rates.update(dict.fromkeys(of_cnn, cnn_lr))
    return rates


# Of a group whose rate falls: in how many steps, how many of them are left, and the
# rate that the scheduler set, during a step.
_OF, _LEFT, _FULL = "falling_steps", "falling_steps_left", "full_lr"


def _hold_groups(optimizer: torch.optim.Optimizer, *_) -> None:
    """Leave out groups that are frozen, or have come to rest; lower falling rates."""
    for group in optimizer.param_groups:
        if group["frozen_steps_left"] > 0:
            group["frozen_steps_left"] -= 1
            _pass_over(group)
        elif group.get(_LEFT) == 0:
            _pass_over(group)
        elif _OF in group:
            # For this step only: some schedulers go on from what they find.
            group[_FULL] = group["lr"]
            group["lr"] = group["lr"] * (group[_LEFT] / group[_OF])
            group[_LEFT] -= 1


def _pass_over(group: Dict[str, Any]) -> None:
    # Without a gradient a parameter is passed over: no step, no decay.
    for parameter in group["params"]:
        parameter.grad = None


def _restore_rates(optimizer: torch.optim.Optimizer, *_) -> None:
    for group in optimizer.param_groups:
        if _FULL in group:
            group["lr"] = group.pop(_FULL)


def share_of_upstream_rate(optimizer: torch.optim.Optimizer) -> Optional[float]:
    """Return what is left of the upstream's rates, in [0, 1]; None = they do not fall.

    ESPnet logs the rates that the scheduler sets, without it.
    """
    left = [g[_LEFT] / g[_OF] for g in optimizer.param_groups if _OF in g]
    return max(left, default=None)
