"""Tiny checkpoints of transformers with random weights."""

from pathlib import Path
from typing import Any, Dict

import torch


def stir(model: torch.nn.Module) -> torch.nn.Module:
    """Give norms and biases, which start at 1 and 0, something to do."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.05 * noise)
    return model


_HF = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8, 8, 8, 8, 8, 12, 12],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.05,
}


def _hugging_face(folder, name, config_class, model_class, style, more):
    from transformers import Wav2Vec2FeatureExtractor

    pre = style == "pre"
    config = config_class(
        **{
            **_HF,
            "do_stable_layer_norm": pre,
            "feat_extract_norm": "layer" if pre else "group",
            "conv_bias": pre,
            **more,
        }
    )
    path = folder / f"hf_{name}_{style}"
    stir(model_class(config)).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=pre).save_pretrained(path)
    return {"upstream": f"hf_{name}_custom", "path_or_url": str(path)}


def hf_wav2vec2(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """wav2vec 2.0 of transformers, as save_pretrained writes it."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    classes = (Wav2Vec2Config, Wav2Vec2Model)
    return _hugging_face(folder, "wav2vec2", *classes, style, more)


def hf_hubert(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """HuBERT of transformers."""
    from transformers import HubertConfig, HubertModel

    return _hugging_face(folder, "hubert", HubertConfig, HubertModel, style, more)


def hf_wavlm(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """WavLM of transformers."""
    from transformers import WavLMConfig, WavLMModel

    more = {"num_buckets": 16, "max_bucket_distance": 40, **more}
    return _hugging_face(folder, "wavlm", WavLMConfig, WavLMModel, style, more)


def hf_whisper(folder: Path, style: str = "pre", **more: Any) -> Dict[str, Any]:
    """Whisper of transformers, decoder included; there is one style (pre-norm)."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(
        **{
            "d_model": 16,
            "encoder_layers": 3,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_layers": 1,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 32,
            "vocab_size": 30,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
            "encoder_layerdrop": 0.05,
            "dropout": 0.1,
            **more,
        }
    )
    path = folder / "hf_whisper"
    stir(WhisperModel(config)).save_pretrained(path)
    WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(path)
    return {"upstream": "hf_whisper_custom", "path_or_url": str(path)}
