"""A writer of CTranslate2's format, and tiny Whispers in it."""

import struct
from typing import Any, Dict, Mapping

import numpy as np

TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, array: Any) -> bytes:
    """One variable with its header."""
    array = np.asarray(array)
    header = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    data = np.ascontiguousarray(array).tobytes()
    kind = struct.pack("<BI", TYPES[array.dtype.name], len(data))
    return _text(name) + header + kind + data


def model_bin(
    variables: Mapping[str, Any],
    kind: str = "WhisperSpec",
    version: int = 6,
    aliases: Mapping[str, str] = {},
) -> bytes:
    """Content of a `model.bin`."""
    content = struct.pack("<I", version) + _text(kind)
    content += struct.pack("<II", 3, len(variables))
    content += b"".join(variable(*item) for item in variables.items())
    content += struct.pack("<I", len(aliases))
    return content + b"".join(_text(a) + _text(b) for a, b in aliases.items())


def whisper_variables(states: Mapping[str, Any], n_heads: int, kind: str = "float32"):
    """Variables of CTranslate2 for an encoder of transformers (and a bit of decoder).

    Args:
        states: name -> tensor of transformers' WhisperEncoder.
        n_heads: attention heads.
        kind: `float32` or `float16`.
    """

    def of(name: str) -> np.ndarray:
        return states[name].numpy().astype(kind)

    norm, linear = (
        {"gamma": "weight", "beta": "bias"},
        {"weight": "weight", "bias": "bias"},
    )
    found: Dict[str, np.ndarray] = {
        "decoder/num_heads": np.int16(n_heads),
        "decoder/embeddings/weight": np.ones((5, 4), kind),
        "encoder/num_heads": np.int16(n_heads),
        "encoder/position_encodings/encodings": of("embed_positions.weight"),
    }

    def put(ours: str, theirs: str, parts: Mapping[str, str]) -> None:
        for part, name in parts.items():
            found[f"encoder/{ours}/{part}"] = of(f"{theirs}.{name}")

    for name in ("conv1", "conv2"):
        put(name, name, linear)
    put("layer_norm", "layer_norm", norm)
    n_layers = len(
        {name.split(".")[1] for name in states if name.startswith("layers.")}
    )
    for i in range(n_layers):
        block = f"layers.{i}"
        put(
            f"layer_{i}/self_attention/layer_norm",
            f"{block}.self_attn_layer_norm",
            norm,
        )
        put(f"layer_{i}/self_attention/linear_1", f"{block}.self_attn.out_proj", linear)
        put(f"layer_{i}/ffn/layer_norm", f"{block}.final_layer_norm", norm)
        put(f"layer_{i}/ffn/linear_0", f"{block}.fc1", linear)
        put(f"layer_{i}/ffn/linear_1", f"{block}.fc2", linear)
        q, k, v = (of(f"{block}.self_attn.{x}_proj.weight") for x in "qkv")
        q_bias, v_bias = (of(f"{block}.self_attn.{x}_proj.bias") for x in "qv")
        joined = f"encoder/layer_{i}/self_attention/linear_0"
        found[f"{joined}/weight"] = np.concatenate([q, k, v])
        found[f"{joined}/bias"] = np.concatenate([q_bias, 0 * q_bias, v_bias])
    return found


ALIASES = {"decoder/projection/weight": "decoder/embeddings/weight"}
