"""Rates of the upstream: falling from block to block, and from step to step."""

import pytest
import torch

from espnet2_distilmos.train.optimizer import build_optimizer, share_of_upstream_rate
from espnet2_distilmos.utils.errors import UserError


class Model(torch.nn.Module):
    """An upstream under a head of one weight, named as in the task's model."""

    def __init__(self, upstream):
        super().__init__()
        self.network = torch.nn.Module()
        self.network.upstream = upstream
        self.network.head = torch.nn.Linear(1, 1)


def rates(model, **options):
    """Name of a trained parameter -> its rate."""
    conf = {"lr": 1.0, **options.pop("optim_conf", {})}
    optimizer = build_optimizer(model, torch.optim.SGD, conf, **options)
    rate = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    assert len(rate) == len(trained)
    return {name: rate[id(p)] for name, p in trained}


@pytest.mark.parametrize("more, top", [({}, 3), ({"layers": [1, 2]}, 2)])
def test_each_block_learns_slower_than_the_one_above(upstream_of, more, top):
    found = rates(Model(upstream_of(**more)), upstream_lr=0.1, upstream_layer_decay=0.5)
    assert found.pop("network.head.weight") == found.pop("network.head.bias") == 1.0
    seen = set()
    for name, rate in found.items():
        part = name.removeprefix("network.upstream.model.")
        if part.startswith("feature_extractor"):
            depth = top + 1
        elif part.startswith("encoder.layers."):
            depth = top - 1 - int(part.split(".")[2])
        else:
            depth = top
        assert rate == pytest.approx(0.1 * 0.5**depth), name
        seen.add(depth)
    assert seen == set(range(top + 2))


def test_a_frozen_part_has_no_rate_and_a_given_one_of_the_cnn_counts(upstream_of):
    options = {"upstream_lr": 0.1, "upstream_layer_decay": 0.5}
    found = rates(Model(upstream_of(frozen_layers=1)), **options)
    of_upstream = {r for n, r in found.items() if "upstream" in n}
    assert of_upstream == {0.1, 0.05}
    found = rates(Model(upstream_of()), **options, cnn_lr=0.7)
    assert {r for n, r in found.items() if "feature_extractor" in n} == {0.7}


def test_off_the_groups_are_what_they_were(upstream_of):
    model = Model(upstream_of())
    old = build_optimizer(model, torch.optim.SGD, {"lr": 1.0}, upstream_lr=0.1)
    assert len(old.param_groups) == 4
    assert all("falling_steps" not in group for group in old.param_groups)
    assert share_of_upstream_rate(old) is None
    one = build_optimizer(
        model, torch.optim.SGD, {"lr": 1.0}, upstream_lr=0.1, upstream_layer_decay=1.0
    )
    assert str(one.state_dict()) == str(old.state_dict())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"upstream_layer_decay": 0.5}, "needs --upstream_lr"),
        ({"upstream_layer_decay": 0.0}, "_decay 0: more than 0, up to 1"),
        ({"upstream_layer_decay": 1.1}, "_decay 1.1: more than 0"),
        ({"upstream_steps": -1}, "--upstream_steps -1: 0 steps"),
        ({"freeze_upstream_steps": -1}, "--freeze_upstream_steps -1: 0 steps"),
        ({"upstream_lr": -0.1}, "--upstream_lr -0.1: a rate of 0 or more"),
        ({"cnn_lr": float("nan")}, "--cnn_lr nan: a rate"),
        ({"layer_logits_lr": float("inf")}, "--layer_logits_lr inf: a rate"),
    ],
)
def test_what_is_refused(upstream_of, options, message):
    with pytest.raises(UserError, match=message):
        rates(Model(upstream_of()), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"upstream_steps": 4},
        {"freeze_upstream_steps": 4},
        {"upstream_layer_decay": 0.9, "upstream_lr": 0.1},
    ],
)
def test_what_a_frozen_upstream_has_no_use_for_is_refused(upstream_of, options):
    model = Model(upstream_of(freeze=True))
    name = next(iter(options))
    with pytest.raises(UserError, match=f"^--{name}: nothing of the upstream is"):
        rates(model, **options)
    # Presets have a rate of the upstream, whatever it is.
    assert rates(model, upstream_lr=0.1).keys() == {
        *("network.head.weight", "network.head.bias")
    }


@pytest.mark.parametrize(
    "conf", [{"feature_grad_mult": 0.0}, {"frozen_layers": 1}, {"freeze": True}]
)
def test_a_rate_of_a_cnn_that_does_not_learn_is_refused(upstream_of, conf):
    with pytest.raises(UserError, match="--cnn_lr 0.1: the upstream has no CNN that"):
        rates(Model(upstream_of(**conf)), cnn_lr=0.1)


def test_a_rate_of_a_cnn_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="--cnn_lr 0.1: the upstream has no CNN that"):
        build_optimizer(Tiny(), torch.optim.SGD, {"lr": 1.0}, cnn_lr=0.1)


def test_a_model_without_known_blocks_is_one_line():
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.model.upstream.loader import build_upstream

    fbank = build_upstream(UpstreamConfig.from_dict({"upstream": "fbank"}, "test"))
    with pytest.raises(UserError, match="^fbank: --upstream_layer_decay is for models"):
        rates(Model(fbank), upstream_lr=0.1, upstream_layer_decay=0.5)


class Tiny(torch.nn.Module):
    """One weight of an upstream, one of a head; their gradients are 1."""

    def __init__(self):
        super().__init__()
        self.network = torch.nn.Module()
        self.network.upstream = torch.nn.Linear(1, 1, bias=False)
        self.network.head = torch.nn.Linear(1, 1, bias=False)


def steps_of(model, optimizer, n, schedule=None):
    """How far upstream and head go in each of n steps."""
    found = []
    for _ in range(n):
        both = [model.network.upstream.weight, model.network.head.weight]
        before = [p.item() for p in both]
        for parameter in both:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        found.append([old - p.item() for old, p in zip(before, both)])
    return torch.tensor(found)


def test_the_upstream_comes_to_rest_while_the_head_goes_on():
    options = {"upstream_lr": 0.5, "freeze_upstream_steps": 1, "upstream_steps": 4}

    def make():
        return build_optimizer(model, torch.optim.SGD, {"lr": 1.0}, **options)

    model = Tiny()
    optimizer = make()
    first = steps_of(model, optimizer, 3)
    assert share_of_upstream_rate(optimizer) == 0.5
    assert {g["lr"] for g in optimizer.param_groups} == {0.5, 1.0}
    # A resumed training has an optimiser of its own.
    state, optimizer = optimizer.state_dict(), make()
    optimizer.load_state_dict(state)
    second = steps_of(model, optimizer, 4)
    assert share_of_upstream_rate(optimizer) == 0.0
    moved = torch.cat([first, second])
    expected = torch.tensor([0, 0.5, 0.375, 0.25, 0.125, 0, 0])
    torch.testing.assert_close(moved[:, 0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(moved[:, 1], torch.ones(7), atol=1e-6, rtol=0)


def test_schedulers_that_go_on_from_the_rate_they_find_are_not_misled():
    model = Tiny()
    optimizer = build_optimizer(
        model, torch.optim.SGD, {"lr": 1.0}, upstream_lr=1.0, upstream_steps=2
    )
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    moved = steps_of(model, optimizer, 3, schedule)
    expected = torch.tensor([[1, 1], [0.25, 0.5], [0, 0.25]])
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)
