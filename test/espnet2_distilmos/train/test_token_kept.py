"""The share of frames that keep their pretrained token."""

import numpy as np
import pytest
import torch

from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.train.token_kept import TokenKept
from espnet2_distilmos.utils.errors import UserError

LENGTHS = [9000, 6000]  # 27 and 18 frames


@pytest.fixture
def made(wavlm_conf, batch_of, tmp_path):
    """A network, its batch, and tokens of layers 1 to 3 of the pretrained states."""
    from espnet2_distilmos.tokens.labels import nearest_centroid

    torch.manual_seed(0)
    conf = {"hidden_size": 8, "target_layers": [3, 1]}
    network = build_network(wavlm_conf(), "distilmos", conf, 4).eval()
    batch = batch_of(LENGTHS)
    with torch.no_grad():
        states, _ = network.upstream(*batch)
    tokens = torch.full((2, 27, 3), -1)
    for layer, state in enumerate(states):
        centroids = torch.cat([state[0, ::9], state[1, :1]])
        np.save(tmp_path / f"layer_{layer + 1:02d}.npy", centroids.numpy())
        for clip, n in enumerate((27, 18)):
            tokens[clip, :n, layer] = nearest_centroid(state[clip, :n], centroids)
    return network, batch, tokens, tmp_path


def test_all_is_kept_until_the_upstream_moves(made):
    network, batch, tokens, folder = made
    kept = TokenKept(network, folder, [2, 0])
    network(*batch)
    assert kept.share(tokens) == 1.0
    # Padding does not count; a token of a layer that is not predicted neither.
    wrong = tokens.clone()
    wrong[..., 1] = 3
    wrong[0, :9, 0] = (wrong[0, :9, 0] + 1) % 4
    network(*batch)
    assert kept.share(wrong).item() == pytest.approx(1 - 9 / 90)
    with torch.no_grad():
        last = network.upstream.model.encoder.layers[2].final_layer_norm
        last.bias.add_(torch.randn(16))
    network(*batch)
    assert 0.5 <= kept.share(tokens) < 1  # layer 1 is what it was


def test_states_of_training_are_not_compared(made):
    network, batch, tokens, folder = made
    kept = TokenKept(network, folder, [2, 0])
    network.train()
    network(*batch)
    with pytest.raises(RuntimeError, match="has not run in eval mode"):
        kept.share(tokens)


def test_centroids_that_do_not_fit_are_one_line(made):
    network, _, _, folder = made
    np.save(folder / "layer_01.npy", np.zeros((4, 5), np.float32))
    with pytest.raises(UserError, match="5 channels, but the upstream has 16"):
        TokenKept(network, folder, [2, 0])
    (folder / "layer_01.npy").unlink()
    with pytest.raises(UserError, match="layer_01.npy: no such file; --token_kept"):
        TokenKept(network, folder, [2, 0])
