"""Averages of weights: over the steps of a training, and over its best epochs."""

import copy

import pytest
import torch

from espnet2_distilmos.train.averages import WeightAverage, averages_of
from espnet2_distilmos.utils.errors import UserError


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)
        self.frozen = torch.nn.Linear(2, 2).requires_grad_(False)


def make(decay=0.5):
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    WeightAverage(model, optimizer, decay)
    return model, optimizer


def epoch(model, optimizer, steps):
    """Train and leave the average in the model; returns the weights after each step."""
    (average,) = averages_of([optimizer])
    average.use_trained()
    generator = torch.Generator().manual_seed(steps)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        x = torch.randn(5, 2, generator=generator)
        model.norm(model.linear(x)).square().sum().backward()
        optimizer.step()
        found.append(copy.deepcopy(model.state_dict()))
    average.use_average()
    return found


def test_it_is_the_average_by_hand_also_of_batch_norm():
    model, optimizer = make()
    expected = copy.deepcopy(model.state_dict())
    weights = epoch(model, optimizer, 12)
    for step, now in enumerate(weights):
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in expected.items():
            if value.is_floating_point():
                expected[name] = decay * value + (1 - decay) * now[name]
    expected["norm.num_batches_tracked"] = torch.tensor(12)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    moved = "linear.weight", "norm.weight", "norm.running_mean", "norm.running_var"
    for name in moved:
        assert (model.state_dict()[name] - weights[-1][name]).abs().max() > 1e-4


def test_the_training_goes_on_from_its_own_weights():
    model, optimizer = make()
    weights = epoch(model, optimizer, 3)
    averages_of([optimizer])[0].use_trained()
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[-1][name])
    # An optimiser without an average trains the same.
    torch.manual_seed(0)
    plain = Model()
    trained = [p for p in plain.parameters() if p.requires_grad]
    alone = torch.optim.AdamW(trained, lr=0.1)
    WeightAverage(plain, alone, 0.9)
    assert torch.equal(
        epoch(plain, alone, 3)[-1]["linear.weight"], weights[-1]["linear.weight"]
    )


def test_resumed_it_ends_as_an_uninterrupted_one(tmp_path):
    model, optimizer = make(0.9)
    epoch(model, optimizer, 3)
    saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(saved, tmp_path / "checkpoint.pth")
    epoch(model, optimizer, 4)
    again, other = make(0.9)
    saved = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    again.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimizer"])
    epoch(again, other, 4)
    torch.testing.assert_close(again.state_dict(), model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(
        other.state_dict(), optimizer.state_dict(), rtol=0, atol=0
    )


def test_a_checkpoint_without_an_average_is_one_line():
    model, optimizer = make()
    state = optimizer.state_dict()
    del state["average"]
    with pytest.raises(UserError, match="no average of the weights; train without"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("decay", [0.0, 1.0, -1])
def test_a_bad_decay_is_refused(decay):
    with pytest.raises(ValueError, match=r"ema_decay must be in \(0, 1\)"):
        make(decay)


def test_espnets_average_of_the_best_epochs_has_batch_norm_in_it(tmp_path):
    """Mean and variance are averaged; the count of batches is a sum, which no use has.

    (It would count with `momentum=None` only.)
    """
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.train.reporter import Reporter

    from espnet2_distilmos.model.frame_encoder import ValidBatchNorm

    assert ValidBatchNorm(3).momentum == 0.1
    reporter, states = Reporter(), []
    for number, value in enumerate((0.1, 0.3, 0.2), 1):
        reporter.set_epoch(number)
        with reporter.observe("valid") as sub:
            sub.register({"srcc": value})
            sub.next()
        norm = ValidBatchNorm(3)
        norm.running_mean.fill_(number)
        norm.running_var.fill_(10 * number)
        norm.num_batches_tracked.fill_(number)
        states.append(norm.state_dict())
        torch.save(states[-1], tmp_path / f"{number}epoch.pth")
    average_nbest_models(tmp_path, reporter, [("valid", "srcc", "max")], 2)
    found = torch.load(tmp_path / "valid.srcc.ave_2best.pth", weights_only=True)
    assert found["running_mean"].tolist() == [2.5] * 3  # of the epochs 2 and 3
    assert found["running_var"].tolist() == [25.0] * 3
    assert found["num_batches_tracked"] == 5
