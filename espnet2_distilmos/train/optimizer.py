"""Parameter groups: which part of the model learns how fast, and from when on."""

from typing import Any, Dict, List, Optional, Tuple, Type

import torch


def build_optimizer(
    model: torch.nn.Module,
    optim_class: Type[torch.optim.Optimizer],
    optim_conf: Dict,
    upstream_lr: Optional[float] = None,
    cnn_lr: Optional[float] = None,
    layer_logits_lr: Optional[float] = None,
    freeze_upstream_steps: int = 0,
) -> torch.optim.Optimizer:
    """Build one optimiser; CNN, transformer, logits and the rest are groups.

    Vectors (biases, norms, the logits) get no weight decay.

    Args:
        model: an :class:`ESPnetDistilMOSModel`.
        optim_class: of torch's or ESPnet's optimisers.
        optim_conf: its arguments; `lr` is that of all that is not named below.
        upstream_lr: of the upstream; None = `lr`.
        cnn_lr: of the upstream's CNN; None = `upstream_lr`.
        layer_logits_lr: of the layer weighting's logits; None = `lr`.
        freeze_upstream_steps: the upstream stays as it is for so many steps. Its
            gradients are computed all the same (DDP wants them) and take part in
            the norm that is clipped.
    """
    network: Any = model.network
    cnn = getattr(network.upstream, "cnn", None)
    of_cnn = set() if cnn is None else {id(p) for p in cnn.parameters()}
    if cnn_lr is None:
        cnn_lr = upstream_lr
    groups: Dict[Tuple, List[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        lr, frozen = None, 0
        if name.startswith("network.upstream."):
            lr = cnn_lr if id(parameter) in of_cnn else upstream_lr
            frozen = freeze_upstream_steps
        elif name.endswith(".weighting.logits"):
            lr = layer_logits_lr
        key = (lr, parameter.dim() > 1, frozen)
        groups.setdefault(key, []).append(parameter)
    base = dict(optim_conf)
    decay = base.pop("weight_decay", 0.0)
    optimizer = optim_class(
        [
            {
                "params": parameters,
                "weight_decay": decay if is_matrix else 0.0,
                # In the group, so that a resumed training goes on counting.
                "frozen_steps_left": frozen,
                **({} if lr is None else {"lr": lr}),
            }
            for (lr, is_matrix, frozen), parameters in groups.items()
        ],
        **base,
    )
    optimizer.register_step_pre_hook(_hold_frozen_groups)
    return optimizer


def _hold_frozen_groups(optimizer: torch.optim.Optimizer, *_) -> None:
    for group in optimizer.param_groups:
        if group["frozen_steps_left"] > 0:
            group["frozen_steps_left"] -= 1
            # Without a gradient a parameter is passed over: no step, no decay.
            for parameter in group["params"]:
                parameter.grad = None
