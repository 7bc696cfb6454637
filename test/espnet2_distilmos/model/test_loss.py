"""Losses, by hand and against plain cross-entropy."""

import math

import pytest
import torch
import torch.nn.functional as F

from espnet2_distilmos.model.loss import REGRESSIONS, DistilMOSLoss
from espnet2_distilmos.model.token_loss import (
    IGNORE_TOKEN,
    TokenLoss,
    token_accuracies,
)

PREDICTED = torch.tensor([1.0, 2.5, 4.0, 3.0])
TARGET = torch.tensor([1.5, 2.5, 3.0, 3.2])  # errors 0.5, 0, 1, 0.2


def regression_loss(predicted, target, kind, margin):
    return REGRESSIONS[kind](margin)(predicted, target)


def token_loss(logits, tokens):
    return TokenLoss()(logits, tokens), token_accuracies(logits, tokens).mean()


@pytest.mark.parametrize(
    "kind, margin, expected",
    [
        ("l1", 0.0, 1.7 / 4),
        ("l1", 0.3, 1.5 / 4),
        ("l1", 0.5, 1.0 / 4),
        ("mse", 0.0, (0.25 + 1 + 0.04) / 4),
        ("mse", 0.3, 1.25 / 4),
        ("l1", 2.0, 0.0),
    ],
)
def test_regression(kind, margin, expected):
    loss = regression_loss(PREDICTED, TARGET, kind, margin)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_no_gradient_within_the_margin():
    predicted = PREDICTED.clone().requires_grad_()
    regression_loss(predicted, TARGET, "l1", 0.3).backward()
    assert predicted.grad.tolist() == [-0.25, 0.0, 0.25, 0.0]


@pytest.fixture
def tokens():
    """Logits of 2 layers (B = 2, T = 4, k = 5) and tokens; the second clip has 3."""
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(2, 4, 5, generator=generator) for _ in range(2)]
    targets = torch.randint(0, 5, (2, 4, 2), generator=generator)
    targets[1, 3:] = IGNORE_TOKEN
    return logits, targets


def test_token_loss_is_cross_entropy_over_valid_frames(tokens):
    logits, targets = tokens
    expected, right = [], 0
    for layer in range(2):
        frames = torch.cat([logits[layer][0], logits[layer][1, :3]])
        ids = torch.cat([targets[0, :, layer], targets[1, :3, layer]])
        picked = F.log_softmax(frames, -1)[torch.arange(7), ids]
        expected.append(-picked.mean())
        right += int((frames.argmax(-1) == ids).sum())
    loss, accuracy = token_loss(logits, targets)
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    assert accuracy.item() == pytest.approx(right / 14)


def test_padded_frames_count_for_nothing(tokens):
    logits, targets = tokens
    before = token_loss(logits, targets)
    for layer in logits:
        layer[1, 3] = 1e4
    assert token_loss(logits, targets) == before
    logits[0].requires_grad_()
    token_loss(logits, targets)[0].backward()
    assert (logits[0].grad[1, 3] == 0).all()


def test_uniform_logits_cost_log_k(tokens):
    _, targets = tokens
    loss, _ = token_loss([torch.zeros(2, 4, 5)] * 2, targets)
    assert loss.item() == pytest.approx(math.log(5))


def test_total(tokens):
    logits, targets = tokens
    expected = regression_loss(PREDICTED, TARGET, "mse", 0.3)
    expected = expected + 0.25 * token_loss(logits, targets)[0]
    loss = DistilMOSLoss("mse", 0.3, 0.25)
    total, stats = loss(PREDICTED, TARGET, logits, targets)
    torch.testing.assert_close(total, expected)
    assert stats.keys() == {"loss", "mos_loss", "token_loss", "token_acc"}
    assert stats["loss"] == total and not stats["loss"].requires_grad


def test_without_token_weight_no_tokens_are_needed():
    total, stats = DistilMOSLoss(token_weight=0)(PREDICTED, TARGET)
    assert total.item() == pytest.approx(0.425)
    assert stats.keys() == {"loss", "mos_loss"}


@pytest.mark.parametrize(
    "conf", [{"regression": "l2"}, {"margin": -0.1}, {"token_weight": -1}]
)
def test_bad_values_are_refused(conf):
    with pytest.raises(ValueError, match="regression must be|must not be negative"):
        DistilMOSLoss(**conf)
