"""An exponential average of the weights beside those that are trained (EMA).

Validation, the choice of the best epoch and all models that are saved are of the
average: while an epoch is trained the model holds the weights that are trained, and at
other times the average. ESPnet writes the model in between, and beside it the
optimiser, with which the other weights are saved: so a resumed training has both.
"""

from typing import Any, Dict, Iterable, List

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from espnet2_distilmos.utils.errors import UserError

_KEY = "average"  # in the optimiser's state


class WeightAverage:
    """Averages what is trained, and the running statistics of BatchNorm, after a step.

    Each step the average becomes d x average + (1 - d) x weights; in the first steps d
    is (1 + steps) / (10 + steps), lest the start of the training lingers.

    Args:
        model: whose weights they are.
        optimizer: that trains them, and in whose state the other weights are saved.
        decay: d, in (0, 1): about the last 1 / (1 - d) steps count.

    Raises:
        ValueError: a decay out of range.
    """

    def __init__(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, decay: float
    ):
        if not 0 < decay < 1:
            raise ValueError(f"ema_decay must be in (0, 1), not {decay}")
        self.decay = decay
        saved = model.state_dict(keep_vars=True).keys()
        trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        # Counts of batches are no floats: they stay those of the training.
        buffers = [(n, b) for n, b in model.named_buffers() if n in saved]
        self._model: Dict[str, torch.Tensor] = dict(trained)
        self._model.update((n, b) for n, b in buffers if b.is_floating_point())
        # Those that are not in the model: none before the first step.
        self._other: Dict[str, torch.Tensor] = {}
        self._steps = 0
        self._model_has_average = False
        optimizer.register_step_post_hook(self._after_step)
        optimizer.register_state_dict_post_hook(self._save)
        optimizer.register_load_state_dict_pre_hook(self._load)
        optimizer.average = self  # type: ignore[attr-defined]  # for averages_of

    def use_trained(self) -> None:
        """Put the weights that are trained into the model."""
        if not self._other:  # the training begins; init_param has been read by now
            self._other = {n: x.detach().clone() for n, x in self._model.items()}
        self._have_average(False)

    def use_average(self) -> None:
        """Put the average into the model."""
        self._have_average(True)

    @torch.no_grad()
    def _have_average(self, wanted: bool) -> None:
        if self._model_has_average == wanted:
            return
        for name, inside in self._model.items():
            kept = inside.clone()
            inside.copy_(self._other[name])
            self._other[name].copy_(kept)
        self._model_has_average = wanted

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        update = get_ema_multi_avg_fn(decay)
        update(list(self._other.values()), list(self._model.values()), None)
        self._steps += 1

    def _save(self, _: torch.optim.Optimizer, states: Dict[str, Any]) -> None:
        states[_KEY] = {
            "other_weights": dict(self._other),
            "steps": self._steps,
            "model_has_average": self._model_has_average,
        }

    def _load(self, _: torch.optim.Optimizer, states: Dict[str, Any]) -> Dict[str, Any]:
        rest = dict(states)
        if _KEY not in rest:
            raise UserError(
                "the checkpoint has no average of the weights; train without "
                "--ema_decay, or from the start"
            )
        saved = rest.pop(_KEY)
        self._other = {
            name: saved["other_weights"][name].to(inside.device, copy=True)
            for name, inside in self._model.items()
        }
        self._steps = saved["steps"]
        self._model_has_average = saved["model_has_average"]
        return rest


def averages_of(
    optimizers: Iterable[torch.optim.Optimizer],
) -> List[WeightAverage]:
    """Return the averages of the weights that these optimisers train, if any."""
    found = (getattr(optimizer, "average", None) for optimizer in optimizers)
    return [average for average in found if average is not None]
