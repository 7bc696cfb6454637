"""The published network, written anew from its description.

In plain torch, with the names of its checkpoints: none of the package's layers takes
part. It scores one clip at a time.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from espnet2_distilmos.inference.engine import DistilMOSInference

WAVLM = {
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "encoder_layers": 3,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 4,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 80,
    "gru_rel_pos": True,
}


PRE_NORM = {"layer_norm_first": True, "extractor_mode": "layer_norm", "normalize": True}


W2V2 = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


class WeightedSum(nn.Module):
    def __init__(self, n_layers, size):
        super().__init__()
        self.layer_logits = nn.Parameter(0.4 * torch.randn(n_layers))
        self.register_buffer("layer_weights", torch.ones(n_layers))  # no part
        self.out_proj = nn.Linear(size, size)

    def forward(self, states):
        # 1.5-entmax by bisection of its threshold: p = ((z - tau) / 2)^2 where > 0.
        z = (self.layer_logits - self.layer_logits.mean()).double()
        low, high = z.max() - 2, z.max()
        for _ in range(60):
            tau = (low + high) / 2
            total = ((z - tau).clamp(min=0) / 2).pow(2).sum()
            low, high = (tau, high) if total > 1 else (low, tau)
        weights = ((z - tau).clamp(min=0) / 2).pow(2).float()
        return self.out_proj(torch.einsum("l,ltd->td", weights, torch.stack(states)))


class Block(nn.Module):
    def __init__(self, size, kernel, stride):
        super().__init__()
        self.dw = nn.Conv1d(
            size, size, kernel, stride, kernel // 2, groups=size, bias=False
        )
        self.pw = nn.Conv1d(size, size, 1, bias=False)
        self.bn = nn.BatchNorm1d(size)

    def forward(self, x):
        return F.gelu(self.bn(self.pw(self.dw(x))))


class FeatureProcessor(nn.Module):
    def __init__(self, size, hidden, kernels, strides):
        super().__init__()
        self.proj_in = nn.Conv1d(size, hidden, 1)
        self.blocks = nn.Sequential(
            *(Block(hidden, k, s) for k, s in zip(kernels, strides))
        )
        self.ln = nn.LayerNorm(hidden)

    def forward(self, x):
        return self.ln(self.blocks(self.proj_in(x.T[None]))[0].T)


class Head(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size, size),
            nn.ReLU(),
            nn.Linear(size, size),
            nn.ReLU(),
            nn.Linear(size, 200),
        )


class Decoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.cnn = nn.Conv1d(size, size, 3, padding=1)
        self.batch_norm = nn.BatchNorm1d(size)  # no part
        self.bilstm = nn.LSTM(size, size, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * size, size)
        self.layer_norm = nn.LayerNorm(size)

    def forward(self, x):
        x = self.cnn(x.T[None])[0].T
        return self.layer_norm(x + F.gelu(self.linear(self.bilstm(x)[0])))


class Published(nn.Module):
    def __init__(self, options):
        super().__init__()
        hidden = options.get("hidden_dim", 256)
        if options.get("ssl_backbone", "wavlm") == "wavlm":
            from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

            self.ssl = WavLM(WavLMConfig(options["wavlm_cfg"]))
            size, n_layers = self.ssl.cfg.encoder_embed_dim, self.ssl.cfg.encoder_layers
        else:
            from transformers import Wav2Vec2Config, Wav2Vec2Model

            self.ssl = Wav2Vec2Model(Wav2Vec2Config(**options["w2v2_cfg"]))
            size, n_layers = W2V2["hidden_size"], W2V2["num_hidden_layers"]
        self.weighted_sum = WeightedSum(n_layers, size)
        self.feature_processor = FeatureProcessor(
            size,
            hidden,
            options.get("downsample_kernels", [5, 3, 3]),
            options.get("downsample_strides", [1, 1, 1]),
        )
        targets = options.get("target_layers", range(n_layers))
        self.predictors = nn.ModuleList(Head(hidden) for _ in targets)
        self.decoder = Decoder(hidden)
        self.linear = nn.Linear(hidden, 1)

    def states(self, wav):
        """L tensors (T, D): what comes out of each block."""
        if hasattr(self.ssl, "feature_projection"):
            output = self.ssl(wav[None], output_hidden_states=True)
            return [state[0] for state in output.hidden_states[1:]]
        found = []
        hooks = [
            layer.register_forward_hook(lambda m, i, out: found.append(out[0][:, 0]))
            for layer in self.ssl.encoder.layers
        ]
        self.ssl.extract_features(wav[None], mask=False)
        for hook in hooks:
            hook.remove()
        return found

    def forward(self, wav):
        frames = self.feature_processor(self.weighted_sum(self.states(wav)))
        return self.linear(self.decoder(frames))[:, 0]


def release(folder, options, seed=0):
    """Write a checkpoint in the released layout; returns the model."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Published(options).eval()
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if name.endswith(("running_mean", "running_var")):
                    value.copy_(0.5 + torch.rand_like(value))
                elif value.is_floating_point() and "ssl." not in name:
                    value.add_(0.05 * torch.randn_like(value))
    torch.save({"model": model.state_dict(), "epoch": 3}, folder / "model.pth.tar")
    (folder / "model_cfg.yaml").write_text(yaml.safe_dump(options))
    return model


def expect_same_scores(model, folder, tools):
    engine = DistilMOSInference(folder / "config.yaml", folder / "model.pth")
    clips = [tools.speech(s, seed=i) for i, s in enumerate([0.4, 0.05, 2.0, 1.113])]
    with torch.no_grad():
        expected = [model(torch.from_numpy(clip)).numpy() for clip in clips]
    for results in ([engine(clip) for clip in clips], engine.score_batch(clips)):
        for result, frames in zip(results, expected):
            assert result["frame_mos"].shape == frames.shape
            np.testing.assert_allclose(result["frame_mos"], frames, atol=1e-4)
            assert result["mos"] == pytest.approx(float(frames.mean()), abs=1e-4)
    spread = [float(frames.mean()) for frames in expected]
    assert np.ptp(spread) > 1e-3  # the fixture does tell clips apart
