"""Soft targets: probabilities of tokens from the distances of pretrained frames."""

import kaldiio
import pytest
import torch

from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.tokens.provenance import read_provenance
from espnet2_distilmos.train.soft_targets import SoftTargets
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.audio import read_audio
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(scope="module")
def ran(corpus):
    """A network in training whose upstream has moved, and what it says of a clip."""
    torch.manual_seed(0)
    conf = {"hidden_size": 8, "target_layers": [3, 1], "strides": [2]}
    conf["kernels"] = [3]
    upstream = {**corpus.conf, "frozen_layers": 1}
    network = build_network(upstream, "distilmos", conf, 8)
    network.upstream.keep_pretrained([1, 2, 3], compared=True)
    with torch.no_grad():
        for parameter in network.upstream.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5 * torch.randn_like(parameter))
    utt, path = next(iter(read_wav_scp(corpus.raw / "valid/wav.scp").items()))
    clip = torch.tensor(read_audio(path)[0]).float().unsqueeze(0)
    states = network.train()(clip, torch.tensor([clip.size(1)])).states
    tokens = kaldiio.load_scp(str(corpus.kmeans / "valid/tokens.scp"))[utt]
    return network, states, torch.tensor(tokens).long()


def test_by_hand_from_the_pretrained_frames_of_the_target_layers(ran, corpus):
    network, states, _ = ran
    provenance = read_provenance(corpus.provenance)
    found = SoftTargets(network, corpus.kmeans, provenance, 0.5).of(states)
    for layer, soft in zip((3, 1), found, strict=True):
        frames = states.pretrained[layer - 1][0, ::2].double()
        c = torch.tensor(read_array(corpus.kmeans / f"layer_0{layer}.npy")).double()
        distance = (frames[:, None] - c[None]).square().sum(-1)
        expected = (-distance / (0.5 * provenance["inertia"][layer])).softmax(-1)
        torch.testing.assert_close(soft[0].double(), expected, atol=1e-6, rtol=0)
        assert not soft.requires_grad


def test_without_temperature_the_target_is_the_token(ran, corpus):
    network, states, tokens = ran
    provenance = read_provenance(corpus.provenance)
    found = SoftTargets(network, corpus.kmeans, provenance, 1e-9).of(states)
    for layer, soft in zip((3, 1), found, strict=True):
        assert soft.amax(-1).min() > 0.999
        assert torch.equal(soft[0].argmax(-1), tokens[::2, layer - 1])


def test_what_is_refused_is_one_line(ran, corpus, tmp_path):
    provenance = read_provenance(corpus.provenance)
    with pytest.raises(UserError, match="layer_03.npy: no such file; token_targets"):
        SoftTargets(ran[0], tmp_path, provenance, 1.0)
    with pytest.raises(UserError, match="no inertia of layer 3 above 0"):
        SoftTargets(ran[0], corpus.kmeans, {**provenance, "inertia": {}}, 1.0)
