"""Whisper's encoder out of CTranslate2's files, and as a folder of transformers."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.ctranslate2 import read_ctranslate2
from espnet2_distilmos.model.weights import name_some, require_finite
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text

States = Dict[str, torch.Tensor]

_PREFIX = "encoder/"
_NORM = {"gamma": "weight", "beta": "bias"}
_LINEAR = {"weight": "weight", "bias": "bias"}
# CTranslate2's names of what a block holds -> transformers'.
_OF_BLOCK = {
    "self_attention/layer_norm": ("self_attn_layer_norm", _NORM),
    "self_attention/linear_1": ("self_attn.out_proj", _LINEAR),
    "ffn/layer_norm": ("final_layer_norm", _NORM),
    "ffn/linear_0": ("fc1", _LINEAR),
    "ffn/linear_1": ("fc2", _LINEAR),
}


def encoder_of_ctranslate2(path: PathLike) -> Tuple[States, int]:
    """Read a Whisper's encoder with transformers' names, in float32.

    Args:
        path: `model.bin` of CTranslate2, float32 or float16.

    Returns:
        Name -> tensor as transformers' WhisperEncoder has them, and the number of
        attention heads.

    Raises:
        UserError: no such file, damaged, quantised, variables that are missing or
            unknown, shapes that do not fit each other, or NaN or Inf.
    """
    found = read_ctranslate2(path, "WhisperSpec", _PREFIX)
    variables = {name.removeprefix(_PREFIX): value for name, value in found.items()}
    layers = [re.match(r"layer_(\d+)/", name) for name in variables]
    numbers = {int(match[1]) for match in layers if match}
    states: States = {}

    def take(name: str) -> np.ndarray:
        if name not in variables:
            raise UserError(f"{path}: no {_PREFIX}{name} in it: not a whole Whisper")
        return variables.pop(name)

    def move(name: str, new: str, parts: Mapping[str, str]) -> None:
        for old_part, new_part in parts.items():
            states[f"{new}.{new_part}"] = _float32(take(f"{name}/{old_part}"), path)

    n_heads = take("num_heads")
    if n_heads.ndim or not np.issubdtype(n_heads.dtype, np.integer) or n_heads < 1:
        raise UserError(f"{path}: {_PREFIX}num_heads is not a number of heads")
    for name in ("conv1", "conv2"):
        move(name, name, _LINEAR)
    positions = _float32(take("position_encodings/encodings"), path)
    states["embed_positions.weight"] = positions
    for i in range(len(numbers)):  # a number that is missing is told by its first name
        for name, (new, parts) in _OF_BLOCK.items():
            move(f"layer_{i}/{name}", f"layers.{i}.{new}", parts)
        joined = {
            part: take(f"layer_{i}/self_attention/linear_0/{part}") for part in _LINEAR
        }
        states.update(_split(joined, f"layers.{i}.self_attn", path))
    move("layer_norm", "layer_norm", _NORM)
    if variables:
        raise UserError(
            f"{path}: not known in a Whisper: {_PREFIX}{sorted(variables)[0]} (of "
            f"{len(variables)}); quantised models are not supported"
        )
    require_finite(states, path)
    require_encoder(states, int(n_heads), path)
    return states, int(n_heads)


def _float32(array: np.ndarray, path: PathLike) -> torch.Tensor:
    if array.dtype.kind != "f":
        raise UserError(f"{path}: its weights are quantised, which is not supported")
    return torch.from_numpy(array.astype(np.float32))


def _split(joined: Mapping[str, np.ndarray], name: str, path: PathLike) -> States:
    """Split one linear map into queries, keys, values; keys have no bias in Whisper."""
    states: States = {}
    for part, array in joined.items():
        if array.ndim == 0 or array.shape[0] % 3:
            raise UserError(f"{path}: {name}: {array.shape} is no joined q, k and v")
        for projection, value in zip("qkv", np.split(array, 3)):
            states[f"{name}.{projection}_proj.{part}"] = _float32(value, path)
    if states.pop(f"{name}.k_proj.bias").any():
        raise UserError(f"{path}: {name}: keys have a bias, which Whisper's have not")
    return states


def require_encoder(
    states: Mapping[str, torch.Tensor], n_heads: int, where: Any
) -> None:
    """Refuse weights that do not make up a Whisper's encoder of any size.

    Args:
        states: with transformers' names.
        n_heads: attention heads.
        where: the file, for the error.

    Raises:
        UserError: a name that is missing or not known, or a shape that does not fit.
    """
    shapes = {name: tuple(value.shape) for name, value in states.items()}
    lengths = {"conv1.weight": 3, "embed_positions.weight": 2, "layers.0.fc1.weight": 2}
    for name, length in lengths.items():
        if len(shapes.get(name, ())) != length:
            raise UserError(f"{where}: {name} is {shapes.get(name)}: not a Whisper's")
    size = config_of(states, n_heads)
    d, ffn = size["d_model"], size["encoder_ffn_dim"]
    expected = {
        "conv1.weight": (d, size["num_mel_bins"], 3),
        "conv2.weight": (d, d, 3),
        "embed_positions.weight": (size["max_source_positions"], d),
        **{name: (d,) for name in ("conv1.bias", "conv2.bias")},
        **{f"layer_norm.{part}": (d,) for part in _LINEAR},
    }
    for i in range(size["encoder_layers"]):
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            expected |= {f"layers.{i}.{norm}.{part}": (d,) for part in _LINEAR}
        for map_name, out, into in (
            *((f"self_attn.{p}_proj", d, d) for p in ("q", "k", "v", "out")),
            ("fc1", ffn, d),
            ("fc2", d, ffn),
        ):
            expected[f"layers.{i}.{map_name}.weight"] = (out, into)
            if map_name != "self_attn.k_proj":
                expected[f"layers.{i}.{map_name}.bias"] = (out,)
    wrong = sorted(
        name for name in {*expected, *shapes} if shapes.get(name) != expected.get(name)
    )
    if wrong or d % n_heads:
        raise UserError(
            f"{where}: not the encoder of a Whisper with {d} channels and {n_heads} "
            f"heads: {name_some(wrong)}"
        )


def config_of(states: Mapping[str, torch.Tensor], n_heads: int) -> Dict[str, Any]:
    """Make transformers' configuration of an encoder from the shapes of its weights."""
    positions, d_model = states["embed_positions.weight"].shape
    layers = {m[1] for name in states if (m := re.match(r"layers\.(\d+)\.", name))}
    return {
        "architectures": ["WhisperEncoder"],
        "model_type": "whisper",
        "d_model": d_model,
        "encoder_layers": len(layers),
        "encoder_attention_heads": n_heads,
        "encoder_ffn_dim": states["layers.0.fc1.weight"].size(0),
        "num_mel_bins": states["conv1.weight"].size(1),
        "max_source_positions": positions,
        "activation_function": "gelu",
        "dropout": 0.0,
    }


def write_encoder(
    states: Mapping[str, torch.Tensor], n_heads: int, folder: Path
) -> None:
    """Write a folder of transformers: the same bytes for the same weights.

    Args:
        states: of transformers' WhisperEncoder, with its names, float32.
        n_heads: attention heads.
        folder: that is there and empty.

    Raises:
        UserError: not the weights of an encoder.
    """
    from safetensors.torch import save_file

    require_encoder(states, n_heads, folder)
    config = config_of(states, n_heads)
    # Two log-mel frames of 10 ms a position.
    seconds = config["max_source_positions"] // 50
    front_end = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": config["num_mel_bins"],
        "sampling_rate": SAMPLE_RATE,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": seconds,
        "padding_value": 0.0,
        "return_attention_mask": False,
    }
    for name, content in (
        ("config.json", config),
        ("preprocessor_config.json", front_end),
    ):
        write_text(folder / name, json.dumps(content, indent=2) + "\n")
    plain = {name: value.contiguous() for name, value in states.items()}
    save_file(plain, folder / "model.safetensors", metadata={"format": "pt"})
