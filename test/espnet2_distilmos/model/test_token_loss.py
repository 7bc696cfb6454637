"""Weights of layers and averages over clips in the token loss."""

import pytest
import torch
import torch.nn.functional as F

from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.token_loss import IGNORE_TOKEN, TokenLoss


@pytest.fixture
def batch():
    """Logits and tokens of 2 layers with 2 codebooks; clips of 6 and 2 frames."""
    torch.manual_seed(0)
    logits = [torch.randn(2, 6, 5) for _ in range(4)]
    tokens = torch.randint(5, (2, 6, 4))
    tokens[1, 2:] = IGNORE_TOKEN
    return logits, tokens


def entropies(logits, tokens, smoothing=0.0):
    """Return a list a target: the cross-entropy of each valid frame, a clip a row."""
    found = []
    for i, of_target in enumerate(logits):
        clips = []
        for clip, n in enumerate((6, 2)):
            args = of_target[clip, :n], tokens[clip, :n, i]
            clips.append(
                F.cross_entropy(*args, reduction="none", label_smoothing=smoothing)
            )
        found.append(clips)
    return found


def test_a_layer_counts_by_its_weight_with_all_its_codebooks(batch):
    of_target = [torch.cat(clips).mean() for clips in entropies(*batch)]
    first, second = sum(of_target[:2]) / 2, sum(of_target[2:]) / 2
    found = TokenLoss(layer_weights=[3, 1])(*batch)
    torch.testing.assert_close(found, 0.75 * first + 0.25 * second)
    torch.testing.assert_close(TokenLoss(layer_weights=[6, 2])(*batch), found)
    torch.testing.assert_close(TokenLoss(layer_weights=[0, 2])(*batch), second)
    torch.testing.assert_close(
        TokenLoss(layer_weights=[1, 1])(*batch), TokenLoss()(*batch)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_clips_of_any_length_count_alike(batch, smoothing):
    found = entropies(*batch, smoothing)
    by_clip = [sum(c.mean() for c in clips) / 2 for clips in found]
    by_frame = [torch.cat(clips).mean() for clips in found]
    for average, expected in (("clip", by_clip), ("frame", by_frame)):
        loss = TokenLoss(smoothing, average=average)(*batch)
        torch.testing.assert_close(loss, torch.stack(expected).mean())
    # A clip's share is what it is alone, and padding is nothing.
    alone = TokenLoss(smoothing, average="clip")(
        [x[1:, :2] for x in batch[0]], batch[1][1:, :2]
    )
    torch.testing.assert_close(alone, torch.stack([c[1].mean() for c in found]).mean())


def test_probabilities_in_place_of_tokens(batch):
    logits, tokens = batch
    one_hot = [
        F.one_hot(tokens[..., i].clamp(min=0), 5).float().requires_grad_(False)
        for i in range(4)
    ]
    for options in ({}, {"average": "clip"}, {"label_smoothing": 0.1}):
        loss = TokenLoss(**options)
        torch.testing.assert_close(loss(*batch, one_hot), loss(*batch))
    torch.manual_seed(1)
    soft = [torch.rand(2, 6, 5).softmax(-1) for _ in range(4)]
    valid = tokens[..., 0] != IGNORE_TOKEN
    each = [-(p * x.log_softmax(-1)).sum(-1)[valid] for p, x in zip(soft, logits)]
    found = TokenLoss()(logits, tokens, soft)
    torch.testing.assert_close(found, torch.stack(each).mean())
    with pytest.raises(ValueError, match="token_targets: soft needs probabilities"):
        scores = torch.zeros(2)
        DistilMOSLoss(token_targets="soft")(scores, scores, logits, tokens)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"token_average": "batch"}, "token_average must be frame or clip"),
        ({"token_targets": "warm"}, "token_targets must be hard or soft"),
        ({"token_temperature": 0}, "token_temperature must be above 0"),
        ({"token_layer_weights": [1.0, -1.0]}, "must be numbers of at least 0"),
        ({"token_layer_weights": [0.0, 0.0]}, "one of them above"),
        ({"token_layer_weights": []}, "one of them above"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DistilMOSLoss(**options)
