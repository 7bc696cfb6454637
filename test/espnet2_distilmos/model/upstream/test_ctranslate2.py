"""CTranslate2 files of Whisper that are not what they should be."""

import struct

import numpy as np
import pytest
import tiny_ctranslate2 as ct2
import torch

from espnet2_distilmos.model.upstream.ctranslate2 import read_ctranslate2
from espnet2_distilmos.model.upstream.whisper_files import encoder_of_ctranslate2
from espnet2_distilmos.utils.errors import UserError


def test_half_precision_is_read_to_the_bit(states, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(ct2.model_bin(ct2.whisper_variables(states, 2, "float16")))
    found, n_heads = encoder_of_ctranslate2(path)
    assert n_heads == 2 and set(found) == set(states)
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, states[name].half().float()), name


def spoil(variables, **changes):
    """Variables with some changed, added, or taken away (None)."""
    changed = {**variables, **{f"encoder/{k}": v for k, v in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


NAN = np.full((16, 16, 3), np.nan, np.float32)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_heads": None}, "no encoder/num_heads in it"),
        ({"num_heads": np.int16(3)}, "16 channels and 3 heads"),
        ({"num_heads": np.int16(0)}, "not a number of heads"),
        ({"num_heads": np.float32(2)}, "not a number of heads"),
        ({"num_heads": np.int16([2, 2])}, "not a number of heads"),
        ({"layer_1/ffn/linear_0/weight": None}, "no encoder/layer_1/ffn/linear_0/weig"),
        ({"layer_7/ffn/linear_0/weight": np.ones(2, "f4")}, "no encoder/layer_3/"),
        ({"conv3/weight": np.ones(2, "f4")}, "not known in a Whisper: encoder/conv3/"),
        ({"conv2/weight": NAN}, "NaN or Inf in conv2.weight"),
        ({"conv2/weight": np.ones((16, 16), "f4")}, r"16 channels.*conv2\.weight"),
        ({"conv2/weight": np.ones((16, 16, 3), "i1")}, "quantised"),
        ({"conv1/weight": np.ones(4, "f4")}, r"conv1\.weight is \(4,\)"),
        (
            {"position_encodings/encodings": np.float32(1)},
            "embed_positions.weight is ()",
        ),
        ({"layer_0/ffn/linear_0/weight": np.ones(32, "f4")}, r"layers\.0\.fc1\.weight"),
        (
            {"layer_0/self_attention/linear_0/weight": np.ones((47, 16), "f4")},
            "no joined q, k and v",
        ),
        (
            {"layer_0/self_attention/linear_0/bias": np.ones(48, "f4")},
            "keys have a bias",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_whisper_is_refused(states, tmp_path, changes, message):
    path = tmp_path / "model.bin"
    variables = ct2.whisper_variables(states, 2)
    path.write_bytes(ct2.model_bin(spoil(variables, **changes)))
    with pytest.raises(UserError, match=message) as e:
        encoder_of_ctranslate2(path)
    assert str(e.value).isprintable() and str(path) in str(e.value)


def header(name, shape, kind, size):
    """A variable that ends where its data should begin."""
    text = struct.pack("<H", len(name) + 1) + name.encode() + b"\0"
    dims = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return text + dims + struct.pack("<BI", kind, size)


BEGIN = ct2.model_bin({})[:-8]


ONE = struct.pack("<I", 1)


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "ends within its version"),
        (ct2.model_bin({}, version=5), "version 5; 6 is known"),
        (ct2.model_bin({}, kind="TransformerSpec"), "of kind TransformerSpec"),
        (ct2.model_bin({}, kind="Whisper\nSpec"), "its kind is no text"),
        (ct2.model_bin({}) + b"x", "1 bytes behind its end"),
        (BEGIN + struct.pack("<I", HUGE), f"{HUGE} variables"),
        (BEGIN + struct.pack("<I", 9), "ends within the name of variable 1"),
        (BEGIN + ONE + header("a", [2, 3], 0, 24), "ends within a$"),
        (BEGIN + ONE + header("a", [HUGE] * 8, 0, HUGE), "bytes for a shape of"),
        (BEGIN + ONE + header("a", [2] * 9, 0, 2048), "a has 9 dimensions"),
        (BEGIN + ONE + header("a", [0, HUGE], 0, 0), "a has 0 bytes for a shape"),
        (BEGIN + ONE + header("a", [1], 9, 4), "a is of type 9"),
        (BEGIN + ONE + header("a", [1], 5, 2) + b"xx" + 4 * b"\0", "a is bfloat16"),
        (BEGIN + 2 * ONE + b"\0", "ends within"),
        (
            BEGIN + struct.pack("<I", 2) + 2 * ct2.variable("a", np.float32(1)),
            "a is there twice",
        ),
        (BEGIN + 4 * b"\0" + struct.pack("<I", HUGE), "ends within an alias"),
    ],
)
def test_damaged_files_are_one_line(tmp_path, data, message):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message) as e:
        read_ctranslate2(path, "WhisperSpec")
    assert str(e.value).isprintable() and str(path) in str(e.value)


def test_wherever_a_file_is_cut_off_or_changed(tmp_path, content):
    """Nothing but one-line errors, or a model whose weights are others."""
    path = tmp_path / "model.bin"
    rng = np.random.default_rng(0)
    for n in rng.integers(0, len(content), 200):
        path.write_bytes(content[:n])
        with pytest.raises(UserError):
            encoder_of_ctranslate2(path)
    for n in rng.integers(0, len(content), 400):
        changed = bytearray(content)
        changed[n] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            encoder_of_ctranslate2(path)
        except UserError as e:
            assert str(e).isprintable()


def test_no_file_is_said(tmp_path):
    with pytest.raises(UserError, match="model.bin: no such file"):
        read_ctranslate2(tmp_path / "model.bin", "WhisperSpec")
