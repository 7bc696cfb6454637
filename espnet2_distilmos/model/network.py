"""Upstream and predictor in one module, built without ESPnet."""

from typing import Any, Dict, Mapping, Optional, Type

import torch

from espnet2_distilmos.model.predictor import (
    AbsPredictor,
    DistilMOSPredictor,
    Prediction,
    SSLMOSPredictor,
)
from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.errors import UserError

PREDICTORS: Dict[str, Type[AbsPredictor]] = {
    "distilmos": DistilMOSPredictor,
    "sslmos": SSLMOSPredictor,
}


class MOSNetwork(torch.nn.Module):
    """Waveform to MOS.

    Args:
        upstream: the SSL model.
        predictor: what stands on top of it.
    """

    def __init__(self, upstream: UpstreamAdapter, predictor: AbsPredictor):
        super().__init__()
        self.upstream = upstream
        self.predictor = predictor

    @property
    def frame_shift(self) -> float:
        """Seconds between two frame scores."""
        return self.upstream.frame_shift * self.predictor.stride

    def forward(
        self,
        speech: torch.Tensor,
        lengths: torch.Tensor,
        with_tokens: bool = False,
        corpus: Optional[torch.Tensor] = None,
        pairs: Optional[torch.Tensor] = None,
    ) -> Prediction:
        """(B, N) waveforms at 16 kHz, (B,) samples -> :class:`Prediction`.

        The other arguments: see :class:`AbsPredictor`.
        """
        states, frame_lengths = self.upstream(speech, lengths)
        return self.predictor(states, frame_lengths, with_tokens, corpus, pairs)


def build_network(
    upstream_conf: Mapping[str, Any],
    predictor: str,
    predictor_conf: Mapping[str, Any],
    n_tokens: int = 0,
    where: str = "upstream_conf",
    n_codebooks: int = 1,
) -> MOSNetwork:
    """Build upstream and predictor from plain configuration.

    Args:
        upstream_conf: content of `conf/upstream/NAME.yaml`.
        predictor: `distilmos` or `sslmos`.
        predictor_conf: keyword arguments of the predictor's class.
        n_tokens: number of clusters; 0 = no token heads.
        where: source of `upstream_conf`, for errors.
        n_codebooks: tokens a frame and layer.

    Raises:
        UserError: as :func:`build_upstream`, or options that the predictor's class does
            not take.
    """
    if not isinstance(predictor_conf, Mapping):
        raise UserError(f"predictor_conf must be a mapping, not {predictor_conf!r}")
    upstream = build_upstream(UpstreamConfig.from_dict(upstream_conf, where))
    try:
        built = PREDICTORS[predictor](
            layers=upstream.layers,
            input_size=upstream.hidden_size,
            n_tokens=n_tokens,
            n_codebooks=n_codebooks,
            **predictor_conf,
        )
    except (TypeError, ValueError, KeyError, RuntimeError) as e:
        raise UserError(bad_options("predictor_conf", predictor_conf, e)) from e
    return MOSNetwork(upstream, built)


def bad_options(name: str, options: Any, error: Exception) -> str:
    """What is said of options of which no class can be made.

    Args:
        name: of the option that holds them (`predictor_conf`).
        options: its value.
        error: what the class raised.
    """
    what = " ".join(str(error).split())[:200]
    return f"{name} {options}: {type(error).__name__}: {what}"
