"""Upstream and predictor in one module, built without ESPnet."""

import inspect
from typing import Any, Dict, Mapping, Optional, Type, TypeVar

import torch

from espnet2_distilmos.model.holding import ComparedStates
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.predictor import AbsPredictor, DistilMOSPredictor
from espnet2_distilmos.model.sslmos import SSLMOSPredictor
from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.errors import UserError

T = TypeVar("T")

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
        """Map (B, N) waveforms at 16 kHz, (B,) samples -> :class:`Prediction`.

        The other arguments: see :class:`AbsPredictor`.
        """
        states, frame_lengths = self.upstream(speech, lengths)
        active, compared = self.upstream.active_layers, self.upstream.compared_layers
        n_layers, n_states = len(active), len(states) - len(compared)
        prediction = self.predictor(
            states[:n_layers],
            frame_lengths,
            with_tokens,
            corpus,
            pairs,
            states[n_layers:n_states],
        )
        if compared:
            trained = [states[active.index(layer)] for layer in compared]
            pretrained = states[n_states:]
            prediction.states = ComparedStates(
                trained, pretrained, frame_lengths, compared
            )
        return prediction


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
        UserError: as :func:`build_upstream`, no such predictor, options that its class
            does not take, or a readout of states that are not kept as pretrained.
    """
    if predictor not in PREDICTORS:
        raise UserError(f"predictor {predictor!r}: choose {' or '.join(PREDICTORS)}")
    upstream = build_upstream(UpstreamConfig.from_dict(upstream_conf, where))
    built = from_options(
        PREDICTORS[predictor],
        "predictor_conf",
        predictor_conf,
        layers=upstream.layers,
        input_size=upstream.hidden_size,
        n_tokens=n_tokens,
        # Without heads their number is of no interest, whatever the options say of it.
        **({"n_codebooks": n_codebooks} if n_tokens > 0 else {}),
    )
    if built.readout is not None:
        upstream.keep_pretrained(built.readout_layers)
    return MOSNetwork(upstream, built)


def from_options(
    made: Type[T], name: str, options: Optional[Mapping[str, Any]], **known: Any
) -> T:
    """Build `made` from the mapping of an option and from what the caller knows.

    Options that someone has filled with every default (`--print_config`, ESPnet3's
    get_espnet_model) also name what only the caller knows: the default of such an
    argument says nothing, and is passed over.

    Args:
        made: the class.
        name: of the option that holds the mapping (`predictor_conf`).
        options: the mapping; None is as good as an empty one.
        known: arguments that the caller passes.

    Raises:
        UserError: no mapping, options that the class does not take, or another value
            of an argument that the caller passes.
    """
    if not isinstance(options, (Mapping, type(None))):
        raise UserError(f"{name} must be a mapping, not {options!r}")
    given = dict(options or {})
    parameters = inspect.signature(made).parameters
    for key, value in known.items():
        if key not in given:
            continue
        told = given.pop(key)
        default = parameters[key].default if key in parameters else value
        # A tuple that went through YAML has come back as a list.
        if _plain(told) not in (_plain(default), _plain(value)):
            raise UserError(
                f"{name} {key}: {told!r} is not what this model and its data make it; "
                "it is no option, leave it out"
            )
    try:
        return made(**known, **given)
    except (TypeError, ValueError, KeyError, RuntimeError) as e:
        raise UserError(bad_options(name, options, e)) from e


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def bad_options(name: str, options: Any, error: Exception) -> str:
    """Return the error of options of which no class can be made.

    Args:
        name: of the option that holds them (`predictor_conf`).
        options: its value.
        error: what the class raised.
    """
    what = " ".join(str(error).split())[:200]
    return f"{name} {options}: {type(error).__name__}: {what}"
