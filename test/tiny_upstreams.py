"""Tiny checkpoints of every family with random weights, in the formats they come in.

3 blocks of 16 channels, 20 ms frames. Most families have two styles: `post` as the base
models (norm after the block, GroupNorm in the CNN) and `pre` as the large ones (norm
before, LayerNorm in the CNN, normalised waveform). Whisper is `pre` in every size.
"""

import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from unittest import mock

import torch
import yaml
from tiny_hugging_face import hf_hubert, hf_wav2vec2, hf_wavlm, hf_whisper, stir

STYLES = ("post", "pre")
LENGTHS = [4000, 6400, 3100]  # samples of a batch
CONV = "[(8,10,5)] + [(8,3,2)] * 4 + [(12,2,2)] * 2"
_FAIRSEQ = {
    "conv_feature_layers": CONV,
    "encoder_layers": 3,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "conv_pos": 8,
    "conv_pos_groups": 4,
    "encoder_layerdrop": 0.05,
    "feature_grad_mult": 0.1,
}
# For recipes that run from end to end: two blocks, written by the recipe at first use.
RECIPE_UPSTREAM = {
    "upstream": "wavlm_local",
    "path_or_url": "downloads/upstream/tiny.pt",
    "random_init": {
        "seed": 1,
        "config": {
            "conv_feature_layers": CONV,
            "encoder_layers": 2,
            "encoder_embed_dim": 16,
            "encoder_ffn_embed_dim": 32,
            "encoder_attention_heads": 2,
            "conv_pos": 8,
            "conv_pos_groups": 4,
        },
    },
}
_PRE = {"extractor_mode": "layer_norm", "layer_norm_first": True}


def _config(style: str, **more: Any) -> Dict[str, Any]:
    return {**_FAIRSEQ, **(_PRE if style == "pre" else {}), **more}


def wavlm(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """S3PRL's WavLM."""
    from espnet2_distilmos.model.upstream.checkpoint import write_random_wavlm

    relative = {
        "relative_position_embedding": True,
        "num_buckets": 16,
        "max_distance": 40,
        "gru_rel_pos": True,
        "normalize": style == "pre",
    }
    path = folder / f"wavlm_{style}.pt"
    write_random_wavlm(path, 0, _config(style, **relative, **more))
    return {"upstream": "wavlm_local", "path_or_url": str(path)}


def hubert(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """S3PRL's HuBERT, as its converter writes it."""
    from s3prl.upstream.hubert.hubert_model import (
        HubertConfig,
        HubertModel,
        HubertPretrainingConfig,
    )

    cfg = _config(style, label_rate=50.0, final_dim=6, **more)
    task = {"label_rate": 50.0, "sample_rate": 16000, "normalize": style == "pre"}
    symbols = [["a", "b", "c"]]
    model = HubertModel(HubertConfig(**cfg), HubertPretrainingConfig(**task), symbols)
    content = {"model_cfg": cfg, "task_cfg": task, "dictionaries_symbols": symbols}
    return _save(folder / f"hubert_{style}.pt", "hubert_local", content, model)


def wav2vec2(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """S3PRL's wav2vec 2.0, as its converter writes it."""
    from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Config, Wav2Vec2Model

    quantizer = {"quantize_targets": True, "latent_vars": 4, "latent_groups": 2}
    cfg = _config(style, final_dim=8, **quantizer, **more)
    model = Wav2Vec2Model(Wav2Vec2Config(**cfg))
    content = {"model_cfg": cfg, "task_cfg": {"normalize": style == "pre"}}
    return _save(folder / f"wav2vec2_{style}.pt", "wav2vec2_local", content, model)


def data2vec(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """S3PRL's data2vec, as its converter writes it; five convolutions for positions."""
    from s3prl.upstream.data2vec.data2vec_model import (
        Data2VecAudioConfig,
        Data2VecAudioModel,
    )

    cfg = _config(style, conv_pos=20, pos_conv_depth=5, **more)
    cfg["extractor_mode"] = "layer_norm"  # so in both released sizes
    model = Data2VecAudioModel(Data2VecAudioConfig(**cfg))
    model.remove_pretraining_modules()
    content = {"model_cfg": cfg, "task_cfg": {"normalize": True}}
    path = folder / f"data2vec_{style}.pt"
    # The teacher, which S3PRL deletes.
    return _save(path, "data2vec_local", content, model, {"_ema": {}})


def _save(path, upstream, content, model, extra_weights=None) -> Dict[str, Any]:
    content["model_weight"] = {**stir(model).state_dict(), **(extra_weights or {})}
    torch.save(content, path)
    return {"upstream": upstream, "path_or_url": str(path)}


def espnet_hubert(folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """HuBERT of ESPnet's HubertTask, config.yaml beside it (20 s of imports)."""
    from espnet2.tasks.hubert import HubertTask

    pre = style == "pre"
    folder = folder / f"espnet_hubert_{style}"
    folder.mkdir(parents=True)
    # It reads the command line, here that of pytest.
    with mock.patch.object(sys, "argv", sys.argv[:1]):
        args = HubertTask.get_default_config()
    args.update(
        token_list=["a", "b", "c"],
        num_classes=3,
        encoder="torchaudio_hubert",
        model="torchaudio",
        frontend=None,
        input_size=1,
        encoder_conf={
            "extractor_mode": "layer_norm" if pre else "group_norm",
            "extractor_conv_layer_config": [list(layer) for layer in eval(CONV)],
            "encoder_embed_dim": 16,
            "encoder_num_layers": 3,
            "encoder_num_heads": 2,
            "encoder_ff_interm_features": 32,
            "encoder_pos_conv_kernel": 8,
            "encoder_pos_conv_groups": 4,
            "encoder_layer_norm_first": pre,
            "final_dim": 6,
            **more,
        },
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(args))
    model, _ = HubertTask.build_model_from_file(folder / "config.yaml", None, "cpu")
    torch.save(stir(model).state_dict(), folder / "model.pth")
    return {
        "upstream": "espnet_hubert_local",
        "path_or_url": str(folder / "model.pth"),
    }


# Family -> function(folder, style) that writes a checkpoint and returns the upstream's
# configuration. ESPnet's is apart, for the time that its imports take.
FAMILIES: Dict[str, Callable[..., Dict[str, Any]]] = {
    "wavlm": wavlm,
    "hubert": hubert,
    "wav2vec2": wav2vec2,
    "data2vec": data2vec,
    "hf_wav2vec2": hf_wav2vec2,
    "hf_hubert": hf_hubert,
    "hf_wavlm": hf_wavlm,
    "hf_whisper": hf_whisper,
}
ESPNET_FAMILIES = {"espnet_hubert": espnet_hubert}
# Every family in every style that it has.
CASES = [
    (family, style)
    for family in (*FAMILIES, *ESPNET_FAMILIES)
    for style in (STYLES if family != "hf_whisper" else STYLES[1:])
]


def frames_of(family: str, lengths: List[int]) -> List[int]:
    """Frames that a tiny model of a family makes of clips, from their samples."""
    if family == "hf_whisper":  # every second one of the log-mel frames
        return [(n // 160 + 1) // 2 for n in lengths]
    return [(n - 400) // 320 + 1 for n in lengths]


def is_cnn(name: str) -> bool:
    """Whether a parameter of an adapter belongs to its CNN."""
    return any(part in name for part in ("feature_extractor", "conv1", "conv2"))


def make(family: str, folder: Path, style: str = "post", **more: Any) -> Dict[str, Any]:
    """Write a checkpoint of a family; the same random weights whatever was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return {**FAMILIES, **ESPNET_FAMILIES}[family](folder, style, **more)


def build(conf: Optional[Dict[str, Any]] = None, **keys: Any) -> torch.nn.Module:
    """The adapter of an upstream, from keys of its configuration."""
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.model.upstream.loader import build_upstream

    return build_upstream(UpstreamConfig.from_dict({**(conf or {}), **keys}, "test"))


def noise(lengths: List[int]) -> List[torch.Tensor]:
    """(N_b,) clips of noise whose loudness changes, from their lengths."""
    clips = []
    for i, n in enumerate(lengths):
        generator = torch.Generator().manual_seed(i)
        loudness = 0.2 * (1.1 + torch.sin(torch.arange(n) / 16000 * (6 + 3 * i)))
        clips.append(loudness * torch.randn(n, generator=generator))
    return clips


def padded(clips: List[torch.Tensor]):
    """(B, N) with loud padding, so that a leak shows, and (B,) lengths."""
    speech = torch.nn.utils.rnn.pad_sequence(clips, True, padding_value=3.0)
    return speech, torch.tensor([len(clip) for clip in clips])
