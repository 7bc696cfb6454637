"""Tiny models with random weights, and sounds."""

import numpy as np
import pytest
import soundfile
import torch
import yaml

TINY_WAVLM = {
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "encoder_layers": 4,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 64,
    "encoder_attention_heads": 4,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 80,
    "gru_rel_pos": True,
}


def make_model(folder, seed=0, predictor="distilmos", logits=None, wavlm=None, **conf):
    """Write config.yaml, model.pth and original.pt (the upstream before training).

    The weights of model.pth differ from those of original.pt everywhere, as after
    fine-tuning. `logits` are those of the layer weighting.
    """
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.model.upstream.checkpoint import write_random_wavlm

    folder.mkdir(parents=True, exist_ok=True)
    original = folder / "original.pt"
    write_random_wavlm(original, seed, {**TINY_WAVLM, **(wavlm or {})})
    if predictor == "distilmos":
        conf = {"hidden_size": 16, **conf}
    upstream_conf = {"upstream": "wavlm_local", "path_or_url": "original.pt"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(
            {**upstream_conf, "path_or_url": str(original)}, predictor, conf
        )
        with torch.no_grad():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value.mul_(1 + 0.05 * torch.randn_like(value))
            if logits is not None:
                network.predictor.weighting.logits.copy_(torch.tensor(logits))
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    if predictor == "distilmos":  # as in training; dropped for scoring
        states["network.predictor.token_heads.heads.0.0.bias"] = torch.zeros(16)
    torch.save(states, folder / "model.pth")
    config = {
        "upstream_conf": upstream_conf,
        "predictor": predictor,
        "predictor_conf": conf,
        "loss_conf": {"token_weight": 0.3},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def make_speech(seconds, rate=16000, seed=0, channels=1):
    """Noise with a changing level: (n,), or (n, channels)."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    shape = (n,) if channels == 1 else (n, channels)
    level = 0.05 + 0.04 * np.sin(2 * np.pi * 3 * np.arange(n) / rate)
    level = level.reshape(-1, *[1] * (len(shape) - 1))
    return (level * rng.standard_normal(shape)).astype(np.float32)


def write_wav(path, seconds, rate=16000, seed=0, channels=1, **options):
    """Write such a sound; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, make_speech(seconds, rate, seed, channels), rate, **options)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a tiny model."""
    return make_model(tmp_path_factory.mktemp("tiny") / "exp")


@pytest.fixture(scope="session")
def engine(tiny_model):
    """The engine with that model."""
    from espnet2_distilmos.inference.engine import DistilMOSInference

    return DistilMOSInference(tiny_model / "config.yaml", tiny_model / "model.pth")


@pytest.fixture(scope="session")
def tools():
    """The makers of this file, since test modules cannot import each other."""

    class Tools:
        model = staticmethod(make_model)
        speech = staticmethod(make_speech)
        wav = staticmethod(write_wav)

    return Tools
