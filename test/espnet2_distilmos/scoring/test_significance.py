"""Paired bootstrap and Holm, against cases worked out by hand."""

import numpy as np
import pytest

from espnet2_distilmos.scoring.metrics import srcc
from espnet2_distilmos.scoring.significance import holm, paired_tests, two_sided_p


def means(**errors):
    """Statistic: name -> mean over the drawn units; None of no units."""
    arrays = {name: np.array(x, dtype=float) for name, x in errors.items()}
    return lambda i: {
        n: float(x[i].mean()) if len(i) else None for n, x in arrays.items()
    }


def test_three_clips_by_hand():
    """Squared errors of a: 0 0 1, of b: 1 1 0; differences -1 -1 +1.

    A resample draws three of these, each -1 with chance 2/3. All 27 draws:
    mean -1 in 8, -1/3 in 12, +1/3 in 6, +1 in 1 of 27. So the difference is -1/3,
    the two sides of zero have 20/27 and 7/27, p = 2 x 7/27 = 0.5185, and since
    both ends have more than 1/40 (8/27, 1/27) the 95 % interval is [-1, 1].
    """
    statistic = means(a=[0, 0, 1], b=[1, 1, 0])
    (test,) = paired_tests(3, statistic, [("a", "b")], n_bootstrap=20000)
    assert test.difference == pytest.approx(-1 / 3)
    assert test.ci95 == pytest.approx([-1, 1])
    # Standard error of the share with 20000 resamples: 0.003; of p: 0.006.
    assert test.p == pytest.approx(14 / 27, abs=0.02)


def test_p_by_hand():
    """9 resamples: 2 on the far side of zero, so 2 x (2 + 1) / (9 + 1)."""
    assert two_sided_p([1, 1, -1, 1, 1, -1, 1, 1, 1]) == pytest.approx(0.6)
    assert two_sided_p([1.0] * 99) == pytest.approx(0.02)
    assert two_sided_p([-1.0] * 99) == pytest.approx(0.02)
    # A zero is beyond zero from either side; undefined resamples do not count.
    assert two_sided_p([0.0] * 9) == 1.0
    assert two_sided_p([0.0, 1.0, 1.0, None]) == pytest.approx(1.0)


def test_resamples_are_those_of_the_intervals():
    """The first two of seed 0 are known (test_bootstrap.py); of these, by hand.

    Units 8 6 5 2 3 0 0 0 1 8 have mean 3.3; a - b is that minus 3, or 0.3.
    """
    statistic = means(a=range(10), b=[3] * 10)
    (test,) = paired_tests(10, statistic, [("a", "b")], n_bootstrap=1)
    assert test.ci95 == pytest.approx([0.3, 0.3])
    assert test.difference == pytest.approx(1.5)
    assert test.p == 1.0


def test_pairing_sees_what_two_intervals_do_not():
    """Hard and easy clips for both: the paired difference is clear nevertheless."""
    rng = np.random.default_rng(0)
    hard = rng.exponential(1, 200)
    statistic = means(a=hard, b=hard + 0.05 + 0.1 * rng.normal(size=200))
    (test,) = paired_tests(200, statistic, [("a", "b")], n_bootstrap=500)
    low, high = test.ci95
    assert low < test.difference < high < 0 and high - low < 0.04
    assert test.p == pytest.approx(2 / 501)
    from espnet2_distilmos.scoring.bootstrap import bootstrap_intervals

    alone = bootstrap_intervals(200, statistic, 500)
    assert alone["a"][1] > alone["b"][0]


def test_no_difference_is_called_one_in_twenty_times():
    """Under the null hypothesis p < 0.05 in about 5 % of experiments."""
    rng = np.random.default_rng(1)
    called = 0
    for _ in range(200):
        statistic = means(a=rng.normal(size=40), b=rng.normal(size=40))
        (test,) = paired_tests(40, statistic, [("a", "b")], n_bootstrap=200)
        called += test.p < 0.05
    assert 3 <= called <= 20


def test_order_of_the_pair_only_changes_the_sign():
    rng = np.random.default_rng(2)
    ref = rng.normal(size=30)
    hyps = {n: ref + s * rng.normal(size=30) for n, s in (("a", 0.5), ("b", 0.8))}
    pairs = [("a", "b"), ("b", "a")]
    one, two = paired_tests(
        30, lambda i: {n: srcc(ref[i], x[i]) for n, x in hyps.items()}, pairs, 300
    )
    assert two.difference == -one.difference
    assert two.ci95 == pytest.approx([-one.ci95[1], -one.ci95[0]])
    assert two.p == one.p


@pytest.mark.parametrize("defined, is_none", [(50, False), (49, True)])
def test_undefined_figures(defined, is_none):
    """As with intervals: more than half of the resamples must be defined."""
    b = iter([2.0, None] + [2.0] * defined + [None] * (100 - defined))
    (test,) = paired_tests(
        5, lambda i: {"a": 1.0, "b": next(b)}, [("a", "b")], n_bootstrap=100
    )
    assert test.difference == -1.0
    assert (test.p is None, test.ci95 is None) == (is_none, is_none)


def test_undefined_on_the_data_themselves():
    (test,) = paired_tests(5, lambda i: {"a": 1.0, "b": None}, [("a", "b")], 10)
    assert (test.difference, test.ci95, test.p) == (None, None, None)


def test_holm_by_hand():
    """0.005 x 4, 0.01 x 3, 0.03 x 2; then 0.04 x 1, raised to its predecessor."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    # What was not tested does not count.
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]
    assert holm([]) == []
