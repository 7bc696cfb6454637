"""The whole network: independent of the batch, and equal to the published method."""

import pytest
import torch
import torch.nn.functional as F
from entmax import entmax_bisect

from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.sslmos import SSLMOSPredictor

LENGTHS = [16000, 9001, 24123, 400, 12345]


def randomise(module):
    """Weights and BatchNorm statistics that are all unlike their first values."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if "running_var" in name:
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)


@pytest.mark.parametrize("style", ["post", "pre"])
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 1, 2)])
def test_batch_equals_alone(style, strides, wavlm_conf, batch_of):
    conf = {"hidden_size": 8, "strides": strides}
    network = build_network(wavlm_conf(style), "distilmos", conf, 10)
    randomise(network.predictor)
    network.eval()
    speech, lengths = batch_of(LENGTHS)
    with torch.no_grad():
        batch = network(speech, lengths, with_tokens=True)
        for i, n in enumerate(LENGTHS):
            alone = network(speech[i : i + 1, :n], lengths[i : i + 1], with_tokens=True)
            steps = int(batch.lengths[i])
            assert alone.lengths.tolist() == [steps] == [alone.frame_mos.size(1)]
            close(batch.mos[i], alone.mos[0])
            close(batch.frame_mos[i, :steps], alone.frame_mos[0])
            for a, b in zip(batch.token_logits, alone.token_logits):
                close(a[i, :steps], b[0])
    assert network.frame_shift == pytest.approx(0.02 * strides[0] * strides[2])
    assert batch.mos.std() > 1e-3


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_sslmos_batch_equals_alone(wavlm_conf, batch_of):
    network = build_network(wavlm_conf(), "sslmos", {}).eval()
    speech, lengths = batch_of(LENGTHS)
    with torch.no_grad():
        batch = network(speech, lengths)
        for i, n in enumerate(LENGTHS):
            states, _ = network.upstream(speech[i : i + 1, :n], lengths[i : i + 1])
            mean = states[-1][0].mean(0)
            close(batch.mos[i], network.predictor.output(mean)[0])
    assert network.predictor.layer_weights() is None
    with pytest.raises(ValueError, match="set token_weight to 0"):
        SSLMOSPredictor([1], 16, n_tokens=8)


def as_published(w, states):
    """DistilMOS of one clip as the paper and its inference code have it: plain
    functions, no masks, no batch.

    Args:
        w: state dict of a predictor with strides of 1.
        states: (L, T, D).

    Returns:
        (T,) frame scores, their mean, and the token logits (T, k) of each layer.
    """
    logits = w["weighting.logits"]
    weights = entmax_bisect(logits - logits.mean(), alpha=1.5, n_iter=60)
    x = sum(a * s for a, s in zip(weights, states))
    x = x @ w["weighting.projection.weight"].T + w["weighting.projection.bias"]

    x = x.T[None]  # (1, D, T)
    name = "frame_encoder.projection"
    x = F.conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"])
    for i, kernel in enumerate((5, 3, 3)):
        name = f"frame_encoder.blocks.{i}"
        size = x.size(1)
        x = F.conv1d(x, w[f"{name}.depthwise.weight"], padding=kernel // 2, groups=size)
        x = F.conv1d(x, w[f"{name}.pointwise.weight"])
        scale = w[f"{name}.norm.weight"] / (w[f"{name}.norm.running_var"] + 1e-5).sqrt()
        shift = w[f"{name}.norm.bias"] - w[f"{name}.norm.running_mean"] * scale
        x = F.gelu(x * scale[:, None] + shift[:, None])
    name = "frame_encoder.norm"
    frames = F.layer_norm(
        x[0].T, (size,), w[f"{name}.weight"], w[f"{name}.bias"]
    )  # (T, H)

    tokens = []
    n_heads = sum(k.startswith("token_heads") for k in w) // 6
    for i in range(n_heads):
        y = frames
        for j in (0, 2, 4):
            name = f"token_heads.heads.{i}.{j}"
            y = (F.relu(y) if j else y) @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        tokens.append(y)

    x = F.conv1d(
        frames.T[None], w["decoder.conv.weight"], w["decoder.conv.bias"], padding=1
    )[0].T
    lstm = torch.nn.LSTM(size, size, bidirectional=True)
    for ours, suffix in (("forwards", ""), ("backwards", "_reverse")):
        for part in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            weight = getattr(lstm, part + suffix)
            weight.data.copy_(w[f"decoder.lstm.{ours}.{part}"])
    y, _ = lstm(x)
    y = F.gelu(y @ w["decoder.projection.weight"].T + w["decoder.projection.bias"])
    y = F.layer_norm(x + y, (size,), w["decoder.norm.weight"], w["decoder.norm.bias"])
    scores = y @ w["decoder.output.weight"][0] + w["decoder.output.bias"]
    return scores, scores.mean(), tokens


@torch.no_grad()
def test_network_is_the_published_one():
    predictor = DistilMOSPredictor([1, 2, 3, 4], 12, n_tokens=7, hidden_size=10)
    randomise(predictor)
    predictor.eval()
    lengths = torch.tensor([31, 1, 20, 2])
    states = torch.randn(4, 4, 31, 12, generator=torch.Generator().manual_seed(1))
    found = predictor(list(states), lengths, with_tokens=True)
    assert (predictor.layer_weights() > 0).sum() > 1
    for i, n in enumerate(lengths.tolist()):
        scores, mos, tokens = as_published(predictor.state_dict(), states[:, i, :n])
        close(found.mos[i], mos)
        close(found.frame_mos[i, :n], scores)
        assert len(tokens) == len(found.token_logits) == 4
        for logits, expected in zip(found.token_logits, tokens):
            close(logits[i, :n], expected)


def test_sizes_are_the_published_ones():
    """For 12 layers of 768 channels: shapes named in the paper's code."""
    predictor = DistilMOSPredictor(range(1, 13), 768, n_tokens=200)
    shapes = {name: tuple(p.shape) for name, p in predictor.named_parameters()}
    assert shapes["weighting.logits"] == (12,)
    assert shapes["weighting.projection.weight"] == (768, 768)
    assert shapes["frame_encoder.projection.weight"] == (256, 768, 1)
    assert [shapes[f"frame_encoder.blocks.{i}.depthwise.weight"] for i in range(3)] == [
        (256, 1, 5),
        (256, 1, 3),
        (256, 1, 3),
    ]
    assert shapes["token_heads.heads.11.4.weight"] == (200, 256)
    assert shapes["decoder.lstm.backwards.weight_hh_l0"] == (1024, 256)
    assert shapes["decoder.projection.weight"] == (256, 512)
    assert predictor.decoder.dropout.p == 0.1


def test_unknown_target_layers_are_refused():
    with pytest.raises(ValueError, match=r"target_layers \[3\] are not among"):
        DistilMOSPredictor([1, 2], 8, n_tokens=4, target_layers=[1, 3])


@torch.no_grad()
def test_a_head_for_each_layer_and_codebook():
    predictor = DistilMOSPredictor(
        [1, 2, 3], 8, n_tokens=4, n_codebooks=2, target_layers=[1, 3], hidden_size=6
    ).eval()
    heads = predictor.token_heads.heads
    assert len(heads) == 4 and predictor.n_codebooks == 2
    states, lengths = [torch.randn(2, 5, 8) for _ in range(3)], torch.tensor([5, 4])
    logits = predictor(states, lengths, with_tokens=True).token_logits
    assert [tuple(x.shape) for x in logits] == [(2, 5, 4)] * 4
    assert not any(torch.equal(logits[0], x) for x in logits[1:])


def test_no_token_logits_unless_asked(wavlm_conf, batch_of):
    network = build_network(wavlm_conf(), "distilmos", {"hidden_size": 8}, 10).eval()
    assert network(*batch_of([4000])).token_logits is None
