"""What holds an upstream near its start: distances of states, and of weights."""

import pytest
import torch

from espnet2_distilmos.model.holding import (
    ComparedStates,
    PretrainedStart,
    state_distance,
    trained_layers,
)
from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.utils.errors import UserError

LENGTHS = torch.tensor([7, 4])
VALID = torch.arange(7) < LENGTHS.unsqueeze(1)


def states(n_layers=2, size=5):
    torch.manual_seed(0)
    pretrained = [torch.randn(2, 7, size) for _ in range(n_layers)]
    moved = [x + 0.3 * torch.randn_like(x) for x in pretrained]
    return moved, pretrained


def test_mean_over_layers_frames_and_channels_in_units_of_each_channel():
    moved, pretrained = states()
    expected = []
    for new, old in zip(moved, pretrained):
        new, old = new[VALID].double(), old[VALID].double()
        variance = old.var(0, unbiased=False)
        expected.append(((new - old).square() / variance).mean())
    found = state_distance(ComparedStates(moved, pretrained, LENGTHS))
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    # What lies behind the end of a clip is nothing, whatever it is.
    for x in (*moved, *pretrained):
        x[1, 4:] = torch.nan
    again = state_distance(ComparedStates(moved, pretrained, LENGTHS))
    torch.testing.assert_close(again, found)


def test_an_outlier_channel_counts_as_any_other():
    moved, pretrained = states(1)
    plain = state_distance(ComparedStates(moved, pretrained, LENGTHS))
    for x in (moved[0], pretrained[0]):
        x[..., 2] = 1000 * x[..., 2] + 50
    outlier = state_distance(ComparedStates(moved, pretrained, LENGTHS))
    torch.testing.assert_close(outlier, plain, rtol=1e-3, atol=0)


def test_zero_at_the_start_one_for_the_mean_frame_and_finite_without_variance():
    _, pretrained = states()

    def distance(moved):
        return state_distance(ComparedStates(moved, pretrained, LENGTHS)).item()

    assert distance(pretrained) == 0
    means = [x[VALID].mean(0).expand_as(x) for x in pretrained]
    assert distance(means) == pytest.approx(1, rel=1e-5)
    one = ComparedStates(
        [pretrained[0][:1, :1] + 1], [pretrained[0][:1, :1]], VALID[0, :1]
    )
    assert torch.isfinite(state_distance(one))
    # A channel that hardly varies does not count for all others together.
    dead = pretrained[0].clone()
    dead[..., 0] = 1e-9
    pretrained, moved = [dead], [dead + 0.1]
    assert distance(moved) < 1


@pytest.fixture
def make(wavlm_conf, batch_of):
    """Function: a model with such a loss, and a batch."""

    def make(predictor=None, upstream=None, **loss):
        torch.manual_seed(0)
        conf = {"frozen_layers": 1, "layerdrop": 0.0, **(upstream or {})}
        conf = {**wavlm_conf("pre"), **conf}
        predictor = {"hidden_size": 8, **(predictor or {})}
        network = build_network(conf, "distilmos", predictor)
        model = ESPnetDistilMOSModel(network, DistilMOSLoss(token_weight=0, **loss))
        speech, lengths = batch_of([9000, 6000])
        mos = torch.tensor([[2.0], [4.5]])
        return model, {"speech": speech, "speech_lengths": lengths, "mos": mos}

    return make


def stir(upstream):
    """Change what is trained."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in upstream.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))


def test_states_are_compared_in_training_with_those_of_the_pretrained_upstream(make):
    readout = {"readout": "statistics", "readout_layers": [0, 2]}
    for more in (None, readout):
        model, batch = make(more, state_weight=0.5)
        plain, _ = make(more)
        assert model.state_dict().keys() == plain.state_dict().keys()
        upstream = model.network.upstream
        assert upstream.compared_layers == (2, 3)
        # As good as nothing: torch rounds otherwise where a gradient is wanted.
        assert model.eval()(**batch)["stats"]["state_loss"] < 1e-10
        stir(upstream)
        with torch.no_grad():
            old, lengths = plain.eval().network.upstream(*list(batch.values())[:2])
            new, _ = upstream(*list(batch.values())[:2])
        expected = state_distance(ComparedStates(new[1:3], old[1:3], lengths))
        retval = model(**batch)
        torch.testing.assert_close(retval["stats"]["state_loss"][0], expected)
        plain.load_state_dict(model.state_dict())
        torch.testing.assert_close(
            retval["loss"], plain(**batch)["loss"] + 0.5 * expected
        )
        # Dropout of the trained blocks alone: the reference has none.
        model.train()
        with torch.no_grad():
            first, second = (upstream(*list(batch.values())[:2])[0] for _ in "ab")
        assert len(first) == 5
        assert all(torch.equal(a, b) for a, b in zip(first[3:], second[3:]))
        torch.testing.assert_close(first[3:], old[1:3])
        assert not torch.equal(first[2], second[2])
        model(**batch)["loss"].backward()
        for name, parameter in upstream.named_parameters():
            assert (parameter.grad is None) != parameter.requires_grad, name


@pytest.mark.parametrize(
    "upstream, message",
    [
        ({"frozen_layers": 0}, "need frozen_layers of 1 or more"),
        ({"freeze": True}, "state_weight needs layers .* freeze is true"),
        ({"frozen_layers": 3}, "frozen_layers 3; leave it out, or freeze less"),
    ],
)
def test_states_that_cannot_be_compared(make, upstream, message):
    with pytest.raises(UserError, match=message):
        make(upstream=upstream, state_weight=1.0)
    assert trained_layers(make()[0].network.upstream) == (2, 3)


def test_half_the_squared_distance_to_the_start_and_its_gradient(make):
    model, batch = make(l2sp_weight=0.01)
    plain, _ = make()
    assert model.state_dict().keys() == plain.state_dict().keys()
    upstream = model.network.upstream
    start = {n: p.detach().clone() for n, p in upstream.named_parameters()}
    model.eval(), plain.eval()
    assert model(**batch)["stats"]["l2sp"] == 0
    stir(upstream)
    plain.load_state_dict(model.state_dict())
    found, without = model(**batch), plain(**batch)
    moved = {n: p - start[n] for n, p in upstream.named_parameters()}
    expected = sum(x.square().sum() for x in moved.values()) / 2
    torch.testing.assert_close(found["stats"]["l2sp"][0], expected.detach())
    torch.testing.assert_close(found["loss"], without["loss"] + 0.01 * expected)
    found["loss"].backward(), without["loss"].backward()
    for (name, p), q in zip(
        upstream.named_parameters(), plain.network.upstream.parameters()
    ):
        if p.requires_grad:
            torch.testing.assert_close(p.grad, q.grad + 0.01 * moved[name].detach())
    # What is frozen later is not pulled.
    frozen = next(n for n, p in upstream.named_parameters() if p.requires_grad)
    dict(upstream.named_parameters())[frozen].requires_grad_(False)
    rest = expected - moved[frozen].square().sum() / 2
    torch.testing.assert_close(model.start.distance(), rest)


def test_nothing_to_hold(make):
    with pytest.raises(UserError, match="l2sp_weight: nothing of wavlm_local is"):
        make(upstream={"freeze": True}, l2sp_weight=1.0)
    upstream = make()[0].network.upstream
    assert PretrainedStart(upstream).distance() == 0


def test_weights_need_what_they_are_of():
    predicted = torch.zeros(2)
    with pytest.raises(ValueError, match="must not be negative"):
        DistilMOSLoss(l2sp_weight=-1.0)
    with pytest.raises(ValueError, match="a weight > 0 needs state_loss"):
        DistilMOSLoss(token_weight=0, state_weight=1.0)(predicted, predicted)
