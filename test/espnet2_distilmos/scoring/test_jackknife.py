"""Metrics of subsets all at once, and what is left out of them."""

import numpy as np
import pytest

from espnet2_distilmos.scoring.jackknife import Clusters, metric_of_subsets
from espnet2_distilmos.scoring.metrics import METRICS


def one_by_one(metric, ref, hyps, kept):
    found = [[METRICS[metric](ref[k], hyp[k]) for hyp in hyps] for k in kept]
    return np.array(found, dtype=float)


@pytest.mark.parametrize("metric", METRICS)
def test_subsets_are_what_the_metric_says_of_each(metric):
    """With ties, negative values, constants, and subsets of no and one clip."""
    rng = np.random.default_rng(0)
    ref = rng.normal(size=40).round(1)
    hyps = [(ref + rng.normal(size=40)).round(1), np.full(40, 1 / 3), -ref]
    kept = rng.random((60, 40)) < 0.5
    kept[0], kept[1] = False, np.arange(40) == 7
    kept[2] = ref == ref[0]  # constant labels
    found = metric_of_subsets(metric, ref, hyps, kept)
    assert found == pytest.approx(
        one_by_one(metric, ref, hyps, kept), abs=1e-12, nan_ok=True
    )
    assert np.isnan(found).any() and not np.isnan(found).all()


def test_clusters_and_their_cells_are_left_out():
    labels = np.array([1.0, 2, 3, 4, 5, 6])
    predictions = np.array([[1.0, 3, 2, 4, 6, 5], [2.0, 1, 3, 5, 4, 6]])
    systems, prompts = list("aaabbb"), list("xxyxyy")
    left = Clusters(labels, [systems, prompts]).leave_out("srcc", predictions)
    assert [w.shape for w in left.without] == [(2, 2), (2, 2), (4, 2)]
    kept = np.array([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]) == 1
    assert left.without[0] == pytest.approx(
        one_by_one("srcc", labels, predictions, kept)
    )
    kept = np.array([[0, 0, 1, 0, 1, 1], [1, 1, 0, 1, 0, 0]]) == 1
    assert left.without[1] == pytest.approx(
        one_by_one("srcc", labels, predictions, kept)
    )
    # Cells a-x (two clips), a-y, b-x, b-y (two).
    kept = np.array(
        [[0, 0, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1], [1, 1, 1, 1, 0, 0]]
    )
    assert left.without[2] == pytest.approx(
        one_by_one("srcc", labels, predictions, kept == 1)
    )
    assert left.values == pytest.approx(
        [METRICS["srcc"](labels, p) for p in predictions]
    )


def test_many_clips_go_in_parts(monkeypatch):
    rng = np.random.default_rng(1)
    labels, predictions = rng.normal(size=50), rng.normal(size=(2, 50))
    clusters = Clusters(labels, [[str(i) for i in range(50)]])
    whole = clusters.leave_out("lcc", predictions).without[0]
    monkeypatch.setattr("espnet2_distilmos.scoring.jackknife._CHUNK", 350)
    assert clusters.leave_out("lcc", predictions).without[0] == pytest.approx(whole)


def test_wrong_clusters():
    with pytest.raises(ValueError, match="one or two clusterings, not 3"):
        Clusters(np.arange(2.0), [["a", "b"]] * 3)
    with pytest.raises(ValueError, match="not as many names"):
        Clusters(np.arange(2.0), [["a"]])
