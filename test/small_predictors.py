"""Small predictors of every kind, and hidden states of two clips for them."""

from typing import Any, Callable, List, Tuple

import torch

from espnet2_distilmos.model.predictor import AbsPredictor, DistilMOSPredictor
from espnet2_distilmos.model.sslmos import SSLMOSPredictor

SCALES = ("SIG", "BAK")
# The MOS, then two scales far from it and from each other.
SCALES_CONF = {
    "scales": list(SCALES),
    "scale_means": [40.0, -40.0],
    "scale_stds": [5.0, 9.0],
}
PREDICTORS = {
    "mean": (DistilMOSPredictor, {"hidden_size": 8}),
    "linear": (DistilMOSPredictor, {"hidden_size": 8, "decoder": "linear"}),
    "attention": (DistilMOSPredictor, {"hidden_size": 8, "pooling": "attention"}),
    "strides": (DistilMOSPredictor, {"hidden_size": 8, "strides": [2, 1, 1]}),
    "readout": (DistilMOSPredictor, {"hidden_size": 8, "readout": "statistics"}),
    "sslmos": (SSLMOSPredictor, {}),
}


def maker_of(kind: str) -> Callable[..., AbsPredictor]:
    """Return a function: a predictor on three layers of 6 channels, from a seed."""
    predictor_class, conf = PREDICTORS[kind]

    def make(**more: Any) -> AbsPredictor:
        torch.manual_seed(0)
        return predictor_class([1, 2, 3], 6, 0, **conf, **more).eval()

    return make


def two_clips() -> Tuple[List[torch.Tensor], torch.Tensor]:
    """Return hidden states of clips of 9 and 5 frames, and these; loud padding."""
    generator = torch.Generator().manual_seed(1)
    layers = [torch.randn(2, 9, 6, generator=generator) for _ in range(3)]
    for layer in layers:
        layer[1, 5:] = 9.0
    return layers, torch.tensor([9, 5])
