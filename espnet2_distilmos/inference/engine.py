"""Scoring waveforms with a trained model; needs no ESPnet."""

from pathlib import Path
from typing import Any, Dict, Optional, Union

import numpy as np
import soxr
import torch

from espnet2_distilmos.model.network import PREDICTORS, MOSNetwork, build_network
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml

# ESPnet's checkpoints hold the ESPnet model, of which the network is one part.
_PREFIX = "network."
# Token heads are for training only.
_TRAINING_ONLY = "predictor.token_heads."


class DistilMOSInference:
    """Predict the MOS of speech.

    Args:
        train_config: `config.yaml` that training saved; None = beside `model_file`.
        model_file: checkpoint (`valid.srcc.best.pth`...).
        device: `cpu`, `cuda`, `cuda:1`...

    Raises:
        UserError: a file cannot be read, or the two do not belong together.

    Example:
        >>> model = DistilMOSInference("exp/x/config.yaml", "exp/x/valid.srcc.best.pth")
        >>> model(speech, fs=24000)["mos"]
    """

    def __init__(
        self,
        train_config: Optional[PathLike],
        model_file: PathLike,
        device: str = "cpu",
    ):
        model_file = Path(model_file)
        if train_config is None:
            train_config = model_file.parent / "config.yaml"
        self.device = torch.device(device)
        self.network = load_network(train_config, model_file).to(self.device).eval()
        self.frame_shift = self.network.frame_shift

    @torch.inference_mode()
    def __call__(
        self, speech: Union[np.ndarray, torch.Tensor], fs: int = SAMPLE_RATE
    ) -> Dict[str, Any]:
        """Score one clip.

        Args:
            speech: (n,) or (channels, n) samples in [-1, 1]; channels are averaged.
            fs: their sampling rate in Hz; other rates than 16000 are resampled.

        Returns:
            `mos`: float, not clipped; `frame_mos`: (T,) float32 array;
            `frame_shift`: seconds between two of them.
        """
        speech = np.asarray(speech, dtype=np.float32)
        if speech.ndim == 2:
            speech = speech.mean(axis=0)
        if speech.ndim != 1:
            raise UserError(f"speech must be (n,) or (channels, n), not {speech.shape}")
        if fs != SAMPLE_RATE:
            speech = soxr.resample(speech, fs, SAMPLE_RATE)
        batch = torch.from_numpy(np.ascontiguousarray(speech)).to(self.device)[None]
        lengths = torch.tensor([batch.size(1)], device=self.device)
        prediction = self.network(batch, lengths)
        return {
            "mos": float(prediction.mos[0]),
            "frame_mos": prediction.frame_mos[0].float().cpu().numpy(),
            "frame_shift": self.frame_shift,
        }


def load_network(train_config: PathLike, model_file: PathLike) -> MOSNetwork:
    """Build the network of a training run and load its weights, all of them.

    Raises:
        UserError: not a configuration or checkpoint of this package, or the keys or
            shapes of the two differ.
    """
    config = read_yaml(train_config)
    if config.get("predictor") not in PREDICTORS or not config.get("upstream_conf"):
        raise UserError(
            f"{train_config}: not the config.yaml of a DistilMOS training (predictor, "
            "upstream_conf)"
        )
    network = build_network(
        config["upstream_conf"],
        config["predictor"],
        config.get("predictor_conf") or {},
        n_tokens=0,
        where=str(train_config),
    )
    states = _load_states(model_file)
    weights = {
        key.removeprefix(_PREFIX): value
        for key, value in states.items()
        if key.startswith(_PREFIX) and not key.startswith(_PREFIX + _TRAINING_ONLY)
    }
    expected = network.state_dict()
    problems = [f"{key} is missing" for key in expected if key not in weights]
    problems += [
        f"{key} is not of this model" for key in weights if key not in expected
    ]
    problems += [
        f"{key} is {tuple(weights[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    if problems:
        raise UserError(
            f"{model_file}: does not fit {train_config}: {problems[0]}"
            + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
        )
    network.load_state_dict(weights)
    return network


def _load_states(model_file: PathLike) -> Dict[str, torch.Tensor]:
    try:
        states = torch.load(model_file, map_location="cpu", weights_only=True)
    except FileNotFoundError as e:
        raise UserError(f"{model_file}: no such model file") from e
    except Exception as e:  # torch raises a dozen types for what is no checkpoint
        raise UserError(
            f"{model_file}: cannot be loaded as weights ({type(e).__name__})"
        ) from e
    # checkpoint.pth holds the optimiser's state too.
    if isinstance(states, dict) and isinstance(states.get("model"), dict):
        states = states["model"]
    if not isinstance(states, dict) or not all(map(torch.is_tensor, states.values())):
        raise UserError(f"{model_file}: not a checkpoint of this package")
    return states
