"""The readout: its features, alone and in batches, over time, and its gradients."""

import pytest
import torch

from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.readout import StatisticsReadout
from espnet2_distilmos.utils.errors import UserError

LENGTHS = [16000, 9001, 24123, 400, 12345]
CONF = {"hidden_size": 8, "readout": "statistics"}


def close(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def randomise(module, seed=0):
    """Weights that are all unlike their first values; scales stay above zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if "running_var" in name or "scale" in name or "label_std" in name:
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.2, generator=generator)
    return module.eval()


@torch.no_grad()
def test_it_is_linear_in_mean_and_deviation_of_all_layers():
    readout = randomise(StatisticsReadout(3, 4))
    lengths = torch.tensor([7, 1, 5])
    states = [torch.randn(3, 7, 4) for _ in range(3)]
    found, _ = readout(states, lengths)
    for i, n in enumerate(lengths.tolist()):
        layers = torch.cat([s[i, :n] for s in states], 1).double()
        features = torch.cat([layers.mean(0), layers.std(0, unbiased=False)])
        z = (features - readout.mean) / readout.scale
        value = (z * readout.output.weight[0]).sum() + readout.output.bias[0]
        expected = readout.label_mean + readout.label_std * value
        close(found[i].double(), expected)


@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 1, 2)])
def test_batch_equals_alone_and_frames_average(strides, wavlm_conf, batch_of):
    conf = {**CONF, "strides": strides}
    network = build_network(wavlm_conf(), "distilmos", conf, 10)
    randomise(network.predictor)
    network.eval()
    speech, lengths = batch_of(LENGTHS)
    with torch.no_grad():
        batch = network(speech, lengths, with_tokens=True)
        for i, n in enumerate(LENGTHS):
            alone = network(speech[i : i + 1, :n], lengths[i : i + 1])
            steps = int(batch.lengths[i])
            assert alone.lengths.tolist() == [steps] == [alone.frame_mos.size(1)]
            close(batch.mos[i], alone.mos[0])
            close(batch.frame_mos[i, :steps], alone.frame_mos[0])
            close(alone.frame_mos[0].mean(), alone.mos[0])
    assert batch.frame_mos.std() > 1e-3 and batch.mos.std() > 1e-3


@torch.no_grad()
def test_a_frame_has_its_own_part_of_the_mean():
    """A frame that is heard as better than another differs by the map of its states."""
    readout = randomise(StatisticsReadout(2, 3))
    states, lengths = [torch.randn(1, 6, 3) for _ in range(2)], torch.tensor([6])
    _, frames = readout(states, lengths)
    worth = (readout.label_std * readout.output.weight[0] / readout.scale)[:6]
    x = torch.cat(states, 2)[0]
    close(frames[0, 1] - frames[0, 4], (x[1] - x[4]) @ worth)


def test_gradients_are_finite_where_nothing_deviates():
    """Channels that are constant, and a clip of one frame."""
    readout = randomise(StatisticsReadout(2, 3)).train()
    states = [torch.randn(2, 5, 3) for _ in range(2)]
    states[0][:, :, 1] = 0.7
    states = [state.requires_grad_() for state in states]
    scores, _ = readout(states, torch.tensor([5, 1]))
    scores.sum().backward()
    for state in states:
        assert state.grad.isfinite().all()
        assert state.grad[0].abs().sum() > 0
        assert (state.grad[1, 1:] == 0).all()


def test_a_deviation_has_the_gradient_of_its_formula():
    readout = randomise(StatisticsReadout(1, 2)).double()
    states = torch.randn(2, 4, 2, dtype=torch.double)

    def score(x):  # in float64, where the readout itself has float32
        with torch.no_grad():
            readout.float()
        return readout([x], torch.tensor([4, 3]))[0]

    x = states.float().requires_grad_()
    score(x).sum().backward()
    step = 1e-2
    for place in [(0, 1, 0), (1, 2, 1)]:
        more, less = states.float().clone(), states.float().clone()
        more[place] += step
        less[place] -= step
        with torch.no_grad():
            slope = (score(more).sum() - score(less).sum()) / (2 * step)
        close(x.grad[place], slope, 1e-3)


@torch.no_grad()
def test_the_score_starts_as_the_readout_alone():
    torch.manual_seed(0)
    predictor = DistilMOSPredictor([1, 2], 6, 4, **CONF).eval()
    states, lengths = [torch.randn(2, 9, 6) for _ in range(2)], torch.tensor([9, 5])
    close(predictor(states, lengths).mos, torch.full((2,), 3.0))
    with_scale = DistilMOSPredictor(
        [1, 2], 6, 4, **CONF, label_mean=40.0, label_std=12.0
    ).eval()
    close(with_scale(states, lengths).mos, torch.full((2,), 40.0))
    for one in (predictor, with_scale):
        randomise(one.readout)
        close(one(states, lengths).mos, one.readout(states, lengths)[0])


def test_the_other_parts_start_as_without_it():
    """The published network is what it was, and is no other beside a readout."""

    def states_of(**conf):
        torch.manual_seed(3)
        return DistilMOSPredictor([1, 2], 6, 4, hidden_size=8, **conf).state_dict()

    plain, read = states_of(), states_of(readout="statistics")
    assert not any("readout" in key for key in plain)
    changed = {"decoder.output.weight", "decoder.output.bias"}
    assert set(plain) < set(read)
    assert all(torch.equal(plain[k], read[k]) for k in plain if k not in changed)
    assert all((read[key] == 0).all() for key in changed)


@pytest.mark.parametrize("scale", [{}, {"label_mean": 40.0, "label_std": 12.0}])
@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_every_score_is_rescaled(scale, pooling):
    """Also those of listeners, who share what is read off a clip, and of corpora."""
    torch.manual_seed(0)
    more = {"corpora": ["a", "b"], "listeners": ["x", "y"], "pooling": pooling}
    predictor = DistilMOSPredictor([1, 2], 6, 0, **CONF, **more, **scale)
    randomise(predictor)
    states = [torch.randn(2, 9, 6) for _ in range(2)]
    asked = (states, torch.tensor([9, 5]), False)
    asked += (torch.tensor([0, -1]), torch.tensor([[0, 1], [1, 2]]))
    with torch.no_grad():
        before = predictor(*asked)
        predictor.rescale(1.4, -0.3)
        after = predictor(*asked)
    for name in ("mos", "listener_mos"):
        close(getattr(after, name), -0.3 + 1.4 * getattr(before, name), 1e-4)
    close(after.frame_mos[:, :5], -0.3 + 1.4 * before.frame_mos[:, :5], 1e-4)


@torch.no_grad()
def test_half_precision_around_it_does_not_reach_it():
    readout = randomise(StatisticsReadout(2, 32))
    states, lengths = [torch.randn(2, 50, 32) for _ in range(2)], torch.tensor([50, 9])
    expected, _ = readout(states, lengths)
    with torch.autocast("cpu", torch.bfloat16):
        found, frames = readout(states, lengths)
    assert found.dtype == frames.dtype == torch.float32
    close(found, expected)


def test_an_unknown_readout_is_refused(wavlm_conf):
    with pytest.raises(UserError, match="readout must be statistics, not 'mean'"):
        build_network(wavlm_conf(), "distilmos", {"readout": "mean"})
