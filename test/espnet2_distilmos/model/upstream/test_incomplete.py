"""Upstream files that lack tensors, are damaged, or hold NaN: refused by name."""

import json
from pathlib import Path

import pytest
import tiny_upstreams as tiny
import torch

from espnet2_distilmos.utils.errors import UserError

WEIGHTS = {"wavlm": "model", "hubert": "model_weight", "wav2vec2": "model_weight"}


def change(conf, family, spoil):
    """Let `spoil` change the dict of weights of a checkpoint; returns their file."""
    path = Path(conf["path_or_url"])
    if path.is_dir():
        from safetensors.torch import load_file, save_file

        states = load_file(path / "model.safetensors")
        spoil(states)
        save_file(states, path / "model.safetensors", metadata={"format": "pt"})
        return
    content = torch.load(path, weights_only=True)
    key = WEIGHTS.get(family, "model_weight")
    spoil(content if family == "espnet_hubert" else content[key])
    torch.save(content, path)


def second_block(key):
    return any(x in f".{key}" for x in (".layers.1.", ".blocks.1."))


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_missing_weights_are_named_and_counted(tmp_path, family):
    conf = tiny.make(family, tmp_path)
    tiny.build(conf)

    def spoil(states):
        gone = [key for key in states if second_block(key)]
        assert len(gone) > 5
        for key in gone:
            del states[key]

    change(conf, family, spoil)
    with pytest.raises(UserError) as e:
        tiny.build(conf)
    message = str(e.value)
    assert conf["path_or_url"] in message and "missing" in message
    assert "layers.1." in message and "more (" in message and "\n" not in message


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_nan_is_named(tmp_path, family):
    conf = tiny.make(family, tmp_path)

    def spoil(states):
        key = next(k for k in states if second_block(k) and k.endswith("weight"))
        states[key] = torch.full_like(states[key], float("nan"))

    change(conf, family, spoil)
    with pytest.raises(UserError, match=r"NaN or Inf in .*\.layers\.1\..*1 tensor"):
        tiny.build(conf)


@pytest.mark.parametrize("family", ["hf_wav2vec2", "hf_hubert", "hf_wavlm"])
def test_masked_spec_embed_may_be_missing(tmp_path, family):
    """It takes part in pretraining alone; the fingerprint must not depend on it."""
    conf = tiny.make(family, tmp_path)
    config = Path(conf["path_or_url"]) / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "mask_time_prob": 0.05}))
    change(conf, family, lambda states: states.pop("masked_spec_embed", None))
    first, second = tiny.build(conf), tiny.build(conf)
    assert first.fingerprint["weights_sha256"] == second.fingerprint["weights_sha256"]


def test_a_model_with_a_head_is_taken(tmp_path):
    """Other classes of transformers have names with a prefix, and heads."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    conf = tiny.make("hf_wav2vec2", tmp_path)
    expected = tiny.build(conf).fingerprint["weights_sha256"]
    path = conf["path_or_url"]
    model = Wav2Vec2ForCTC(Wav2Vec2Config.from_pretrained(path, vocab_size=5))
    plain = tiny.build(conf).model.state_dict()
    model.wav2vec2.load_state_dict(plain)
    model.save_pretrained(path)
    assert tiny.build(conf).fingerprint["weights_sha256"] == expected


def test_a_damaged_upstream_is_refused(tmp_path):
    conf = tiny.make("wavlm", tmp_path)
    path = Path(conf["path_or_url"])
    content = bytearray(path.read_bytes())
    value = torch.load(path, weights_only=True)["model"]["mask_emb"].numpy().tobytes()
    at = content.index(value)
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged: the checksum of"):
        tiny.build(conf)


@pytest.mark.slow
def test_espnet_hubert(tmp_path):
    conf = tiny.make("espnet_hubert", tmp_path)

    def spoil(states):
        for key in [key for key in states if ".layers.1." in key]:
            del states[key]

    change(conf, "espnet_hubert", spoil)
    with pytest.raises(UserError, match=r"model.pth: no .*\.layers\.1\..* more \("):
        tiny.build(conf)
