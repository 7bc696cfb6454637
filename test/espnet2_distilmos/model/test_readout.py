"""The readout: features, alone and in batches, over time, and its part in scores."""

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
    network = build_network({**wavlm_conf(), "frozen_layers": 3}, "distilmos", conf, 10)
    randomise(network.predictor)
    network.eval()
    for block in network.upstream.encoder.layers[1:]:  # unlike as pretrained
        randomise(block)
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


def test_nothing_of_it_is_trained():
    """Its states are frozen, and its weights those of a regression."""
    readout = randomise(StatisticsReadout(2, 3)).train()
    assert not any(p.requires_grad for p in readout.parameters())
    states = [torch.randn(2, 5, 3, requires_grad=True) for _ in range(2)]
    states[0].data[:, :, 1] = 0.7
    scores, frames = readout(states, torch.tensor([5, 1]))
    assert scores.isfinite().all() and frames.isfinite().all()
    assert not scores.requires_grad and not frames.requires_grad


@torch.no_grad()
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_score_is_the_weighted_mean_with_the_decoders(weight):
    more = {"readout_weight": weight, "readout_layers": [0, 3], "corpora": ["a", "b"]}
    predictor = randomise(DistilMOSPredictor([1, 2, 3], 6, 4, **CONF, **more))
    states, lengths = [torch.randn(2, 9, 6) for _ in range(3)], torch.tensor([9, 5])
    kept = [torch.randn(2, 9, 6) for _ in range(2)]
    corpus = torch.tensor([1, 0])
    found = predictor(states, lengths, corpus=corpus, pretrained=kept)
    read, frames = predictor.readout(kept, lengths)
    offsets = predictor.corpus_offset(corpus)
    predictor.readout = None
    plain = predictor(states, lengths, corpus=corpus)
    close(found.mos, (1 - weight) * plain.mos + weight * (read + offsets))
    frames = weight * (frames + offsets[:, None]) + (1 - weight) * plain.frame_mos
    for i, n in enumerate((9, 5)):
        close(found.frame_mos[i, :n], frames[i, :n])


def test_in_training_the_score_is_the_decoders_alone(wavlm_conf, batch_of):
    conf = {**wavlm_conf(), "frozen_layers": 1}
    network = build_network(conf, "distilmos", {**CONF, "dropout": 0.0})
    randomise(network.predictor).train()
    network.upstream.eval()  # without dropout
    batch = batch_of(LENGTHS[:2])
    states, lengths = network.upstream(*batch)
    assert len(states) == 3 + 3
    expected = network.predictor(states[:3], lengths).mos
    close(network(*batch).mos, expected)


@torch.no_grad()
def test_without_weights_of_a_probe_it_says_the_mean_label():
    torch.manual_seed(0)
    states, lengths = [torch.randn(2, 9, 6) for _ in range(2)], torch.tensor([9, 5])
    for scale, start in (({}, 3.0), ({"label_mean": 40.0, "label_std": 12.0}, 40.0)):
        predictor = DistilMOSPredictor([1, 2], 6, 4, **CONF, **scale)
        close(predictor.readout(states, lengths)[0], torch.full((2,), start))


def test_the_other_parts_are_the_published_ones():
    def states_of(**conf):
        torch.manual_seed(3)
        return DistilMOSPredictor([1, 2], 6, 4, hidden_size=8, **conf).state_dict()

    plain, read = states_of(), states_of(readout="statistics")
    assert not any("readout" in key for key in plain)
    assert all("readout" in key for key in read.keys() - plain.keys())
    assert all(torch.equal(plain[k], read[k]) for k in plain)


@torch.no_grad()
def test_it_reads_the_states_of_pretraining_whatever_is_trained(wavlm_conf, batch_of):
    conf = {**CONF, "readout_weight": 1.0, "readout_layers": [0, 1, 2, 3]}
    network = build_network({**wavlm_conf(), "frozen_layers": 1}, "distilmos", conf)
    randomise(network.predictor.readout)
    network.eval()
    batch = batch_of(LENGTHS)
    before = network(*batch).mos
    whole = build_network({**wavlm_conf(), "freeze": True}, "distilmos", conf).eval()
    whole.predictor.readout.load_state_dict(network.predictor.readout.state_dict())
    close(before, whole(*batch).mos)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.mul_(1.3)
    assert torch.equal(network(*batch).mos, before) and before.std() > 1e-3
    network.predictor._readout_weight = 0.0
    assert (network(*batch).mos - before).abs().max() > 1e-3


@pytest.mark.parametrize(
    "keys, conf, message",
    [
        ({}, {}, "need frozen_layers of 1 or more"),
        ({"frozen_layers": 2}, {"readout_layers": [4]}, r"layers \[4\] .* has 0 to 3"),
        ({"freeze": True}, {"readout_weight": 1.5}, r"readout_weight must be in \[0"),
        ({}, {"decoder": "gru"}, "decoder must be lstm or linear, not 'gru'"),
    ],
)
def test_what_cannot_be_is_refused(keys, conf, message, wavlm_conf):
    with pytest.raises(UserError, match=message):
        build_network({**wavlm_conf(), **keys}, "distilmos", {**CONF, **conf})


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
        before = predictor(*asked, states)
        predictor.rescale(1.4, -0.3)
        after = predictor(*asked, states)
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
