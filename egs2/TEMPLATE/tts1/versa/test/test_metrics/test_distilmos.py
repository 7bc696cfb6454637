"""The metric `distilmos` in VERSA: its scorer finds it, by every name and config."""

from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("espnet2_distilmos")

from versa.definition import MetricCategory, MetricRegistry  # noqa: E402
from versa.scorer_shared import VersaScorer  # noqa: E402
from versa.utterance_metrics.distilmos import (  # noqa: E402
    DistilMOSMetric,
    register_distilmos_metric,
)

CONFIG = Path(__file__).parents[2] / "egs/separate_metrics/distilmos.yaml"


class Model:
    """Says the clip's length in seconds."""

    def __call__(self, samples, fs):
        return {"mos": len(samples) / fs, "warnings": []}


@pytest.fixture
def no_weights(monkeypatch):
    """The metric with a model that needs no download."""

    def set_up(metric):
        metric.model, metric.labels = Model(), None

    monkeypatch.setattr(DistilMOSMetric, "_setup", set_up)


def test_registration():
    registry = MetricRegistry()
    register_distilmos_metric(registry)
    for name in ("distilmos", "DistilMOS", "distil_mos"):
        assert registry.get_metric(name) is DistilMOSMetric
    metadata = registry.get_metadata("distilmos")
    assert metadata.category is MetricCategory.INDEPENDENT
    assert not metadata.requires_reference and not metadata.requires_text


def test_the_scorer_loads_it_with_the_example_config(no_weights):
    scorer = VersaScorer()
    assert scorer.registry.get_metric("distilmos") is DistilMOSMetric
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    suite = scorer.load_metrics(config, use_gt=False)
    found = suite.metrics["distilmos"].compute(
        np.zeros(12000), metadata={"sample_rate": 24000}
    )
    assert found == {"distilmos": 0.5}


def test_predictions_are_needed(no_weights):
    with pytest.raises(ValueError, match="predictions are needed"):
        DistilMOSMetric({}).compute(None)
