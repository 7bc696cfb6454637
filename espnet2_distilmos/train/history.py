"""What a checkpoint remembers of its training."""

import math
from typing import Dict, List, Tuple

import torch

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# Epoch -> "train" | "valid" -> statistic -> value
History = Dict[int, Dict[str, Dict[str, float]]]


def read_history(checkpoint: PathLike) -> History:
    """Read the statistics of all epochs from ESPnet's `checkpoint.pth`.

    Raises:
        UserError: no such file, or not a checkpoint of ESPnet's trainer.
    """
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        stats = state["reporter"]["stats"]
    except FileNotFoundError as e:
        raise UserError(f"{checkpoint}: no such file; train first (stage 5)") from e
    except Exception as e:  # torch raises a dozen types for what is no checkpoint
        raise UserError(
            f"{checkpoint}: not a checkpoint of ESPnet's trainer ({type(e).__name__})"
        ) from e
    return {
        epoch: {
            part: {name: float(v) for name, v in values.items() if _is_number(v)}
            for part, values in parts.items()
        }
        for epoch, parts in stats.items()
    }


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def layer_weights_of(history: History) -> Tuple[List[int], List[List[float]]]:
    """Return layer numbers (L,) and their weights in every epoch (epochs, L).

    Both are empty where the model learns no layer weights.
    """
    return _layer_values(history, "layer_weight_")


def token_accuracies_of(history: History) -> Tuple[List[int], List[List[float]]]:
    """Return target layers (L,) and their token accuracies (epochs, L).

    Both are empty where the model predicts no tokens.
    """
    return _layer_values(history, "token_acc_")


def _layer_values(history: History, prefix: str) -> Tuple[List[int], List[List[float]]]:
    layers: List[int] = []
    rows = []
    for epoch in sorted(history):
        valid = history[epoch].get("valid", {})
        names = sorted(name for name in valid if name.startswith(prefix))
        if names:
            layers = [int(name.removeprefix(prefix)) for name in names]
            rows.append([valid[name] for name in names])
    return layers, rows
