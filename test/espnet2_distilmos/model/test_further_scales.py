"""Further scales: what they add to a model, and what they leave as it was."""

import pytest
import torch
from small_predictors import PREDICTORS, maker_of, two_clips

from espnet2_distilmos.model.decoder import DECODERS
from espnet2_distilmos.model.further_scales import FurtherScales
from espnet2_distilmos.model.loss import ContrastiveLoss, DistilMOSLoss
from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.regression import REGRESSIONS
from espnet2_distilmos.model.sslmos import SSLMOSPredictor

SCALES = ["SIG", "BAK"]
NAN = float("nan")


@pytest.fixture(params=PREDICTORS)
def make(request):
    return maker_of(request.param)


@pytest.fixture
def batch():
    layers, lengths = two_clips()
    return {"states": layers, "lengths": lengths, "pretrained": layers}


def stir(predictor):
    """Give a readout's maps, which start at zero, something to say."""
    generator = torch.Generator().manual_seed(2)
    if predictor.readout is not None:
        with torch.no_grad():
            for linear in (predictor.readout.output, predictor.readout.further):
                if linear is not None:
                    weight = torch.randn(linear.weight.shape, generator=generator)
                    linear.weight.copy_(weight / 10)
    return predictor


# What checkpoints of models with one scale hold, and have always held.
DECODER = """
conv.weight conv.bias lstm.forwards.weight_ih_l0 lstm.forwards.weight_hh_l0
lstm.forwards.bias_ih_l0 lstm.forwards.bias_hh_l0 lstm.backwards.weight_ih_l0
lstm.backwards.weight_hh_l0 lstm.backwards.bias_ih_l0 lstm.backwards.bias_hh_l0
projection.weight projection.bias norm.weight norm.bias output.weight output.bias
""".split()
PUBLISHED = [
    *("weighting.logits", "weighting.projection.weight", "weighting.projection.bias"),
    *("frame_encoder.projection.weight", "frame_encoder.projection.bias"),
    *("frame_encoder.norm.weight", "frame_encoder.norm.bias"),
    *(f"decoder.{name}" for name in DECODER),
]
READOUT = "mean scale label_mean label_std output.weight output.bias".split()


def test_one_scale_has_the_weights_it_always_had():
    conf = {"hidden_size": 8, "kernels": [], "strides": []}
    alone = DistilMOSPredictor([1, 2], 6, 0, **conf)
    assert list(alone.state_dict()) == PUBLISHED
    read = DistilMOSPredictor([1, 2], 6, 0, **conf, readout="statistics")
    states = read.state_dict()
    assert list(states) == [*PUBLISHED, *(f"readout.{name}" for name in READOUT)]
    assert states["readout.output.weight"].shape == (1, 24)
    states = SSLMOSPredictor([1], 6, 0).state_dict()
    assert list(states) == ["output.weight", "output.bias"]


def test_further_scales_leave_the_mos_as_it_is(make, batch):
    """The same seed: the same start of all other parts, and the same bytes out."""
    alone, several = make(), make(scales=SCALES)
    shared, states = alone.state_dict(), several.state_dict()
    assert all(torch.equal(states[name], shared[name]) for name in shared)
    more = set(states) - set(shared)
    assert more and all("further" in n or "scale_" in n for n in more)
    stir(alone), stir(several)
    a, b = alone(**batch), several(**batch)
    assert a.scores is None and a.frame_scores is None and alone.scales == ()
    assert torch.equal(a.mos, b.mos) and torch.equal(a.frame_mos, b.frame_mos)
    assert b.scores.shape == (2, 2) and b.frame_scores.shape == (*a.frame_mos.shape, 2)
    assert several.scales == ("SIG", "BAK")


def test_scores_of_a_clip_do_not_depend_on_its_batch(make, batch):
    predictor = stir(make(scales=SCALES))
    both = predictor(**batch)
    cut = [layer[1:, :5] for layer in batch["states"]]
    alone = predictor(cut, batch["lengths"][1:], pretrained=cut)
    assert torch.allclose(both.scores[1:], alone.scores, atol=1e-5)
    n = int(alone.lengths)
    assert torch.allclose(both.frame_scores[1, :n], alone.frame_scores[0], atol=1e-5)
    if not hasattr(predictor, "pooling") or not list(predictor.pooling.parameters()):
        assert torch.allclose(alone.frame_scores[0].mean(0), alone.scores[0], atol=1e-5)


def test_a_calibration_is_of_the_mos_alone(make, batch):
    predictor = stir(make(scales=SCALES, listeners=["L1"]))
    with torch.no_grad():
        predictor.listeners.table.fill_(0.25)
        before = predictor(**batch)
        predictor.rescale(2.0, -1.0)
        after = predictor(**batch)
    assert torch.allclose(after.mos, 2 * before.mos - 1, atol=1e-4)
    assert torch.equal(after.scores, before.scores)


def test_listeners_and_offsets_are_of_the_mos(make, batch):
    more = {"listeners": ["L1", "L2"], "corpora": ["a", "b"]}
    predictor = stir(make(scales=SCALES, **more))
    with torch.no_grad():
        predictor.corpus_offset.raw.copy_(torch.tensor([1.0, -1.0]))
        predictor.listeners.table.copy_(torch.randn(predictor.listeners.table.shape))
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2]])
    a = predictor(**batch, pairs=pairs, corpus=torch.tensor([0, 1]))
    b = predictor(**batch)
    assert a.listener_mos.shape == (3,) and a.scores.shape == (2, 2)
    assert torch.equal(a.scores, b.scores) and not torch.equal(a.mos, b.mos)


@pytest.mark.parametrize("name", DECODERS)
def test_scales_share_the_decoder(name):
    """A gradient of any scale reaches all of its weights but the MOS's own output."""
    torch.manual_seed(0)
    predictor = DistilMOSPredictor([1], 6, 0, hidden_size=4, decoder=name, scales=["X"])
    states = [torch.randn(1, 7, 6)]
    predictor(states, torch.tensor([7])).scores.sum().backward()
    without = {n for n, p in predictor.named_parameters() if p.grad is None}
    assert {n for n in without if n.startswith("decoder.")} == {
        *("decoder.output.weight", "decoder.output.bias")
    }


def test_scores_start_at_the_mean_label():
    scales = FurtherScales(["A", "B"], 4, [2.0, 60.0], [0.5, 20.0])
    with torch.no_grad():
        for output in scales.outputs:
            output.weight.zero_()
        found = scales(torch.randn(1, 3, 4))
    assert [x[0, 0].item() for x in found] == [2.0, 60.0]


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"names": "SIG"}, "a list of names was expected"),
        ({"names": [3]}, "a list of names was expected"),
        ({"names": ["a b"]}, "no name of a scale"),
        ({"names": ["../x"]}, "no name of a scale"),
        ({"names": ["mos"]}, "no name of a further scale"),
        ({"names": ["SIG", "sig"]}, "stands there twice"),
        ({"names": ["SIG"], "means": [1.0, 2.0]}, "2 numbers for 1 scales"),
        ({"names": ["SIG"], "means": [1.0], "stds": [0.0]}, "label_std must be above"),
    ],
)
def test_bad_scales(conf, message):
    with pytest.raises(ValueError, match=message):
        FurtherScales(size=4, **conf)


def by_hand(predicted, target, scores, labels, units=None, unit=1.0, power=1):
    """The mean over clips of the mean over the scales that each has."""
    of_clips = []
    for i in range(len(target)):
        errors = [abs(predicted[i] - target[i])]
        for k, label in enumerate(labels[i]):
            if label == label:
                factor = 1.0 if units is None else unit / units[k]
                errors.append(factor * abs(scores[i][k] - label))
        of_clips.append(sum(x**power for x in errors) / len(errors))
    return sum(of_clips) / len(of_clips)


PREDICTED, TARGET = [3.0, 2.0, 4.5], [2.5, 2.25, 4.0]
SCORES = [[1.0, 50.0], [2.0, 40.0], [3.0, 30.0]]
LABELS = [[1.5, 45.0], [NAN, 44.0], [NAN, NAN]]


@pytest.mark.parametrize("regression, power", [("l1", 1), ("mse", 2)])
@pytest.mark.parametrize("units", [None, [0.5, 20.0]])
def test_the_loss_is_the_mean_over_the_scales_of_each_clip(units, regression, power):
    loss = DistilMOSLoss(regression, token_weight=0, unit=2.0, scale_units=units)
    values = [torch.tensor(x) for x in (PREDICTED, TARGET, SCORES, LABELS)]
    values[2].requires_grad_()
    given = {"scores": values[2], "labels": values[3]}
    found, stats = loss(*values[:2], **given)
    expected = by_hand(PREDICTED, TARGET, SCORES, LABELS, units, 2.0, power)
    assert stats["scales_loss"].item() == pytest.approx(expected)
    assert found.item() == pytest.approx(expected / 2.0**power)
    # What models are chosen by is of the MOS alone, as ever.
    plain = REGRESSIONS[regression]()(*values[:2]).item()
    assert stats["mos_loss"].item() == pytest.approx(plain)
    found.backward()
    absent = torch.isnan(values[3])
    assert (values[2].grad[absent] == 0).all() and (values[2].grad[~absent] != 0).all()


def test_without_labels_of_scales_the_loss_is_that_of_the_mos():
    loss = DistilMOSLoss(token_weight=0)
    predicted, target, scores = map(torch.tensor, (PREDICTED, TARGET, SCORES))
    plain, stats = loss(predicted, target)
    assert set(stats) == {"loss", "mos_loss"}
    none = torch.full_like(scores, NAN)
    found, _ = loss(predicted, target, scores=scores.requires_grad_(), labels=none)
    assert found.item() == pytest.approx(plain.item(), abs=1e-7)
    found.backward()  # every output has a gradient, for processes that wait for it
    assert torch.equal(scores.grad, torch.zeros_like(scores))


def test_a_clip_counts_alike_however_many_scales_it_has():
    """A batch that is cut in two has the mean of its halves as its loss."""
    loss = DistilMOSLoss(token_weight=0, regression="mse", margin=0.1)
    values = [torch.tensor(x) for x in (PREDICTED, TARGET, SCORES, LABELS)]
    pairs = [(x[:1], x[1:]) for x in values]
    first, second = (
        loss(a[0], a[1], scores=a[2], labels=a[3])[0].item() for a in zip(*pairs)
    )
    whole = loss(*values[:2], scores=values[2], labels=values[3])[0].item()
    assert whole == pytest.approx((first + 2 * second) / 3)


def test_pairs_of_clips_are_of_the_mos():
    loss = DistilMOSLoss(token_weight=0, contrastive_weight=0.5)
    values = [torch.tensor(x) for x in (PREDICTED, TARGET, SCORES, LABELS)]
    _, stats = loss(*values[:2], scores=values[2], labels=values[3])
    expected = ContrastiveLoss()(*values[:2]).item()
    assert stats["contrastive_loss"].item() == pytest.approx(expected)


def test_bad_units():
    with pytest.raises(ValueError, match="scale_units must be above 0"):
        DistilMOSLoss(scale_units=[1.0, 0.0])


def test_labels_are_not_rounded_to_half_precision():
    loss = DistilMOSLoss(token_weight=0)
    half = torch.bfloat16
    scores, label = torch.tensor([[3.0]], dtype=half), torch.tensor([[3.203]])
    mos = torch.tensor([2.0])
    found, _ = loss(mos.to(half), mos, scores=scores, labels=label)
    assert found.item() == pytest.approx(0.203 / 2, abs=1e-6)
