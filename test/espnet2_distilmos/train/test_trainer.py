"""Figures of the whole validation set."""

import math

import pytest
import torch
from scipy import stats

from espnet2_distilmos.train.trainer import correlations, layer_weights

LABELS = [1.0, 4.5, 2.0, 3.0, 2.5, 4.0, 1.5, 3.5, 5.0, 2.2, 3.3, 4.4]


def scores(predicted, systems=None):
    systems = systems or [None] * len(predicted)
    return {
        f"u{i:02d}": (h, r, s)
        for i, (h, r, s) in enumerate(zip(predicted, LABELS, systems))
    }


PREDICTED = [1.2, 4.0, 2.9, 2.8, 2.6, 4.4, 1.1, 3.0, 3.9, 2.0, 3.6, 4.1]


def test_correlations_are_scipys():
    found = correlations(scores(PREDICTED))
    assert found == {
        "srcc": pytest.approx(stats.spearmanr(PREDICTED, LABELS).statistic),
        "lcc": pytest.approx(stats.pearsonr(PREDICTED, LABELS).statistic),
    }


def test_the_order_of_batches_does_not_matter():
    one = scores(PREDICTED, list(range(12)))
    other = dict(reversed(one.items()))
    assert correlations(one) == correlations(other)


def test_systems_count_from_ten_on():
    assert "sys_srcc" not in correlations(scores(PREDICTED, [i % 9 for i in range(12)]))
    systems = [i % 10 for i in range(12)]
    found = correlations(scores(PREDICTED, systems))["sys_srcc"]

    def means(values):
        groups = [[v for v, s in zip(values, systems) if s == n] for n in range(10)]
        return [sum(g) / len(g) for g in groups]

    expected = stats.spearmanr(means(PREDICTED), means(LABELS)).statistic
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "predicted",
    [[3.0] * 12, [math.nan, *PREDICTED[1:]], [*PREDICTED[:-1], math.inf]],
    ids=["constant", "nan", "inf"],
)
def test_undefined_counts_as_the_worst(predicted):
    """ESPnet would rank a NaN of the first epoch best for ever."""
    found = correlations(scores(predicted))
    assert found == {"srcc": -1.0, "lcc": -1.0}


@pytest.mark.parametrize("predicted", [math.nan, math.inf, 3.0])
def test_every_epoch_has_the_same_figures(predicted):
    """ESPnet sorts all epochs by each, now and whenever the training goes on."""
    from espnet2_distilmos.train.selection import TieBreakingReporter

    reporter = TieBreakingReporter()
    for epoch, first in enumerate((PREDICTED[0], predicted), 1):
        values = [first] * 12 if first == 3.0 else [first, *PREDICTED[1:]]
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as figures:
            figures.register({"loss": 1.0, **correlations(scores(values, range(12)))})
    assert reporter.get_value("valid", "sys_srcc", 2) == -1.0
    assert reporter.sort_epochs("valid", "sys_srcc", "max") == [1, 2]


def test_non_finite_predictions_are_named(caplog):
    correlations(scores([PREDICTED[0], math.nan, *PREDICTED[2:]]))
    assert "1 non-finite prediction: u01" in caplog.text


def test_layer_weights_have_the_layers_numbers():
    class Predictor:
        def layer_weights(self):
            return torch.tensor([0.25, 0.75])

    model = torch.nn.Module()
    model.network = torch.nn.Module()
    model.network.upstream = torch.nn.Module()
    model.network.upstream.layers = (2, 11)
    model.network.predictor = Predictor()
    assert layer_weights(model) == {"layer_weight_02": 0.25, "layer_weight_11": 0.75}
    wrapped = torch.nn.Module()  # as DistributedDataParallel
    wrapped.module = model
    assert layer_weights(wrapped) == layer_weights(model)
    Predictor.layer_weights = lambda self: None
    assert layer_weights(model) == {}
