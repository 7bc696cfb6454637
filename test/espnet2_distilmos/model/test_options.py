"""What can be chosen beside the published method: losses, weights, pooling."""

import pytest
import torch
import torch.nn.functional as F

from espnet2_distilmos.model.layer_weighting import SoftmaxLayerWeighting
from espnet2_distilmos.model.loss import ContrastiveLoss, DistilMOSLoss
from espnet2_distilmos.model.pooling import AttentionPooling, MeanPooling
from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.token_loss import TokenLoss, token_accuracies

PREDICTED = torch.tensor([1.0, 2.5, 4.0])
TARGET = torch.tensor([1.5, 2.5, 3.0])


def test_contrastive_loss_by_hand():
    # Differences of pairs: predicted 1.5, 3, 1.5; true 1, 1.5, 0.5; off by 0.5, 1.5, 1.
    expected = 2 * (0.3 + 1.3 + 0.8) / 9 / 2
    loss = ContrastiveLoss(0.2)(PREDICTED, TARGET)
    assert loss.item() == pytest.approx(expected)
    # A constant error is none of its business.
    assert ContrastiveLoss(0.0)(TARGET + 1, TARGET).item() == pytest.approx(0, abs=1e-6)


def test_contrastive_gradient_is_that_of_its_value():
    predicted = PREDICTED.clone().requires_grad_()
    ContrastiveLoss(0.2)(predicted, TARGET).backward()
    plain = PREDICTED.clone().requires_grad_()
    error = (plain[:, None] - plain) - (TARGET[:, None] - TARGET)
    ((error.abs() - 0.2).clamp(min=0).mean() / 2).backward()
    torch.testing.assert_close(predicted.grad, plain.grad)


def test_contrastive_term_in_the_total():
    total, stats = DistilMOSLoss(
        token_weight=0, contrastive_weight=0.5, contrastive_margin=0.2
    )(PREDICTED, TARGET)
    plain, _ = DistilMOSLoss(token_weight=0)(PREDICTED, TARGET)
    assert stats.keys() == {"loss", "mos_loss", "contrastive_loss"}
    torch.testing.assert_close(total, plain + 0.5 * stats["contrastive_loss"])


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(2, 4, 5, generator=generator) for _ in range(3)]
    targets = torch.randint(0, 5, (2, 4, 3), generator=generator)
    targets[1, 3:] = -1
    return logits, targets


def test_label_smoothing(tokens):
    logits, targets = tokens
    expected = []
    for layer in range(3):
        frames = torch.cat([logits[layer][0], logits[layer][1, :3]])
        ids = torch.cat([targets[0, :, layer], targets[1, :3, layer]])
        log = F.log_softmax(frames, -1)
        expected.append(-(0.9 * log[torch.arange(7), ids] + 0.1 * log.mean(-1)).mean())
    loss = TokenLoss(0.1)(logits, targets)
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    total, stats = DistilMOSLoss(token_weight=1, label_smoothing=0.1)(
        TARGET, TARGET, logits, targets
    )
    torch.testing.assert_close(total, loss)


def test_accuracy_of_every_layer(tokens):
    logits, targets = tokens
    for i, n_right in enumerate((7, 0, 3)):
        wrong = (targets[..., i].clamp(min=0) + 1) % 5
        hit = torch.zeros(2, 4, dtype=torch.bool)
        hit[0, : min(n_right, 4)] = True
        hit[1, : max(n_right - 4, 0)] = True
        picked = torch.where(hit, targets[..., i].clamp(min=0), wrong)
        logits[i] = F.one_hot(picked, 5).float()
    accuracies = token_accuracies(logits, targets)
    torch.testing.assert_close(accuracies, torch.tensor([7, 0, 3]) / 7)


def test_softmax_weights():
    weighting = SoftmaxLayerWeighting(3, 4)
    with torch.no_grad():
        weighting.logits.copy_(torch.tensor([0.0, 5.0, 1.0]))
    torch.testing.assert_close(weighting.weights(), weighting.logits.softmax(-1))
    assert (weighting.weights() > 0).all()


def test_attention_pooling_starts_as_the_mean_and_sees_no_padding():
    torch.manual_seed(0)
    values, frames = torch.randn(3, 6), torch.randn(3, 6, 8)
    lengths = torch.tensor([6, 1, 4])
    pooling = AttentionPooling(8)
    mean = MeanPooling(8)(values, frames, lengths)
    torch.testing.assert_close(pooling(values, frames, lengths), mean)
    torch.nn.init.normal_(pooling.score.weight)
    out = pooling(values, frames, lengths)
    assert (out - mean).abs()[[0, 2]].min() > 1e-3
    for i, n in enumerate(lengths.tolist()):
        alone = pooling(values[i : i + 1, :n], frames[i : i + 1, :n], lengths[i][None])
        torch.testing.assert_close(out[i], alone[0])


@pytest.mark.parametrize("weighting", ["entmax", "softmax"])
@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_predictor_options(weighting, pooling):
    def make(**options):
        torch.manual_seed(0)
        return DistilMOSPredictor([1, 2], 6, 5, hidden_size=8, **options).eval()

    predictor = make(layer_weighting=weighting, pooling=pooling)
    states = [torch.randn(2, 7, 6) for _ in range(2)]
    lengths = torch.tensor([7, 4])
    prediction = predictor(states, lengths, with_tokens=True)
    assert prediction.mos.shape == (2,) and len(prediction.token_logits) == 2
    # At the start all choices give what the published ones give.
    torch.testing.assert_close(prediction.mos, make()(states, lengths).mos)
    prediction.mos.sum().backward()
    assert predictor.weighting.logits.grad is not None


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DistilMOSPredictor([1], 4, 0, pooling="max"), "pooling must be mean"),
        (lambda: DistilMOSPredictor([1], 4, 0, layer_weighting="x"), "be entmax or"),
        (lambda: DistilMOSLoss(contrastive_weight=-1), "must not be negative"),
        (lambda: DistilMOSLoss(contrastive_margin=-1), "must not be negative"),
        (lambda: DistilMOSLoss(label_smoothing=1.0), r"label_smoothing must be in"),
    ],
)
def test_bad_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
