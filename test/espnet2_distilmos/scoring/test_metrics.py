"""The metrics against scipy and cases done by hand."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from espnet2_distilmos.scoring.metrics import (
    FEW_FOR_PAIRS,
    METRICS,
    all_metrics,
    average_systems,
    group_by_system,
    is_constant,
    ktau,
    lcc,
    mean_ranks,
    mse,
    per_system,
    srcc,
    system_means,
)

# Eighths from 1 to 5, as the mean of eight ratings: full of ties.
ties = st.integers(8, 40).map(lambda n: n / 8)
pairs = st.lists(st.tuples(ties, ties), min_size=1, max_size=40)


def arrays(rows):
    x, y = np.array(rows, dtype=float).T
    return x, y


def test_by_hand():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert mse(x, y) == 0.5
    assert lcc(x, y) == pytest.approx(0.8)
    assert srcc(x, y) == pytest.approx(0.8)
    assert ktau(x, y) == pytest.approx(4 / 6)  # 5 pairs in order, 1 not


def test_ktau_corrects_for_ties():
    x, y = np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    # 2 concordant pairs, 1 tied in x: 2 / sqrt(2 * 3)
    assert ktau(x, y) == pytest.approx(2 / np.sqrt(6))


@given(pairs)
def test_agrees_with_scipy(rows):
    x, y = arrays(rows)
    result = all_metrics(x, y)
    assert result["mse"] == pytest.approx(np.mean((x - y) ** 2))
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert [result[m] for m in ("lcc", "srcc", "ktau")] == [None] * 3
        return
    for name, other in (
        ("lcc", scipy.stats.pearsonr),
        ("srcc", scipy.stats.spearmanr),
        ("ktau", scipy.stats.kendalltau),
    ):
        assert result[name] == pytest.approx(other(x, y).statistic, abs=1e-9)
        assert -1 <= result[name] <= 1


@pytest.mark.parametrize("n", [3, 50, FEW_FOR_PAIRS, FEW_FOR_PAIRS + 1, 3000])
@pytest.mark.parametrize("step", [0.5, 1e-9])
def test_ranks_are_those_of_scipy_to_the_last_bit(n, step):
    """With many ties and with none, by pairs and by scipy's way."""
    rng = np.random.default_rng(n)
    x = rng.uniform(1, 5, n)
    x, y = (np.round(v / step) * step for v in (x, x + rng.normal(0, 1, n)))
    assert (mean_ranks(x) == scipy.stats.rankdata(x)).all()
    assert ktau(x, y) == scipy.stats.kendalltau(x, y).statistic


@given(pairs, st.randoms(use_true_random=False))
def test_order_and_roles_do_not_matter(rows, random):
    x, y = arrays(rows)
    order = list(range(len(x)))
    random.shuffle(order)
    for metric in METRICS.values():
        value = metric(x, y)
        for other in (metric(x[order], y[order]), metric(y, x)):
            assert other == (None if value is None else pytest.approx(value, abs=1e-9))


@given(pairs)
def test_ranks_see_only_the_order(rows):
    x, y = arrays(rows)
    assert srcc(x, y) == srcc(x, np.exp(y))
    assert ktau(x, y) == ktau(x, np.exp(y))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few(n):
    x = np.ones(n)
    assert all_metrics(x, x) == {
        "mse": 0.0 if n else None,
        "lcc": None,
        "srcc": None,
        "ktau": None,
    }


def test_rounding_noise_is_constant():
    assert is_constant(np.array([3.1, np.nextafter(3.1, 4)]))
    assert not is_constant(np.array([3.1, 3.1 + 1e-9]))
    assert is_constant(np.zeros(3))


def test_tiny_spread_is_still_exact():
    x = np.array([1.0, 2.0, 3.0])
    assert lcc(x, 1e-200 * x) == pytest.approx(1.0)


def test_system_means_tie():
    # The mean of several 3.1 differs from 3.1 in the last bit.
    groups = group_by_system(["a"] * 3 + ["b"] * 7 + ["c"])
    means = system_means(np.full(11, 3.1), groups)
    assert set(means) == {3.1}


def test_groups_are_sorted_by_bytes():
    groups = group_by_system(["b", "a", "B", "b"])
    assert list(groups) == ["B", "a", "b"]
    assert groups["b"].tolist() == [0, 3]


def test_within_systems_by_hand():
    systems = ["a"] * 3 + ["b"] * 4 + ["c"] * 2 + ["d"] * 3
    x = np.array([1, 2, 3] + [1, 2, 3, 4] + [1, 2] + [4, 5, 6], dtype=float)
    # a: order kept, 10 too high; b: reversed; c: too small; d: constant prediction
    y = np.array([11, 12, 13] + [4, 3, 2, 1] + [5, 1] + [2, 2, 2], dtype=float)
    values, weights = per_system(x, y, group_by_system(systems))
    assert weights.tolist() == [[3] * 4, [4] * 4, [0] * 4, [3, 0, 0, 0]]
    result = average_systems(values, weights)
    for name in ("lcc", "srcc", "ktau"):
        assert result[name] == pytest.approx((3 * 1 + 4 * -1) / 7)
    # Bias removed: 0 in a; (3, 1, -1, -3)^2 -> 5 in b; (1, 0, 1) -> 2/3 in d
    assert result["mse"] == pytest.approx((3 * 0 + 4 * 5 + 3 * 2 / 3) / 10)


def test_within_mse_is_the_rest_after_the_bias():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60))
    groups = group_by_system([f"s{i % 7}" for i in range(60)])
    within = average_systems(*per_system(x, y, groups))["mse"]
    bias = sum(len(i) * (x[i] - y[i]).mean() ** 2 for i in groups.values()) / 60
    assert mse(x, y) == pytest.approx(within + bias)


def test_within_systems_of_none():
    groups = group_by_system(["a", "b"])
    x = np.array([1.0, 2.0])
    assert average_systems(*per_system(x, x, groups)) == dict.fromkeys(METRICS)
