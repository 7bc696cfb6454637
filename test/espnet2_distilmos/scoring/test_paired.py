"""Differences between two systems on the same utterances."""

import numpy as np
import pytest
from scipy import stats

from espnet2_distilmos.scoring.significance import FEW, holm, paired_difference


def test_agrees_with_the_t_test_where_that_holds():
    rng = np.random.default_rng(0)
    easy = rng.normal(3, 1, 300)  # what an utterance gives to both
    a = easy + rng.normal(0.03, 0.2, 300)
    b = easy + rng.normal(0, 0.2, 300)
    difference, low, high, p = paired_difference(a, b)
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval()
    assert difference == pytest.approx(np.mean(a) - np.mean(b))
    assert [low, high] == pytest.approx([interval.low, interval.high], abs=2e-3)
    assert p == pytest.approx(expected.pvalue, abs=0.01)
    # Seen as two samples apart, the same data say nothing.
    assert stats.ttest_ind(a, b).pvalue > 0.3
    other = paired_difference(b, a)
    assert other[0] == -difference
    assert other[3] == pytest.approx(p, abs=0.01)


def test_noise_is_covered_as_often_as_it_says():
    rng = np.random.default_rng(1)
    wrong = 0
    for seed in range(400):
        a, b = rng.normal(0, 1, (2, 40))
        _, low, high, p = paired_difference(a, b, n_bootstrap=500, seed=seed)
        wrong += p < 0.05
        assert (p < 0.045) <= (not low <= 0 <= high)
    assert 8 <= wrong <= 36  # 5 % of 400 is 20


@pytest.mark.parametrize("n", [2, 4, 12, 30, FEW - 1, FEW])
def test_noise_of_a_few_pairs_seldom_seems_to_differ(n):
    rng = np.random.default_rng(n)
    n_times, wrong = 1000, 0
    for seed in range(n_times):
        _, low, high, p = paired_difference(rng.normal(0, 1, n), [0] * n, 400, seed)
        wrong += p < 0.05
        assert n == FEW or (p < 0.05) == (not low <= 0 <= high)
    # 5 %, and 5.8 % where the bootstrap begins, plus and minus three deviations.
    assert 0.03 < wrong / n_times < (0.08 if n == FEW else 0.07)


def test_a_few_pairs_are_the_t_test():
    rng = np.random.default_rng(5)
    a, b = rng.normal(3, 1, (2, 7))
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval()
    whole = paired_difference(a, b)
    assert whole[1:] == pytest.approx((interval.low, interval.high, expected.pvalue))
    assert paired_difference([1, 2], [2, 1]) == pytest.approx(
        (0, -12.706, 12.706, 1), abs=1e-3
    )


def test_equal_and_clear():
    assert paired_difference([1, 2, 3], [1, 2, 3]) == (0, 0, 0, 1)
    difference, low, high, p = paired_difference([2, 3, 4], [1, 2, 3], 999)
    assert (difference, low, high) == (1, 1, 1)
    assert p == 0.25  # three of one sign, of eight ways


def test_seeded_and_the_plain_bootstrap():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, (2, 50))
    whole = paired_difference(a, b, 2000, seed=3)
    assert paired_difference(a, b, 2000, seed=3) == whole
    assert paired_difference(a, b, 2000, seed=4) != whole
    drawn = np.random.Generator(np.random.PCG64(3)).integers(50, size=(2000, 50))
    means = (a - b)[drawn].mean(axis=1)
    assert whole[1:3] == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=1e-12)


@pytest.mark.parametrize("a, b", [([1, 2], [1]), ([1], [1]), ([], [])])
def test_needs_pairs(a, b):
    with pytest.raises(ValueError, match="two pairs or more"):
        paired_difference(a, b)


def test_holm():
    # Worked by hand: 4 x 0.01, 3 x 0.013, 2 x 0.03, 1 x 0.05, never falling.
    found = holm([0.03, 0.01, 0.05, 0.013])
    assert found == pytest.approx([0.06, 0.04, 0.06, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_whole_systems_are_drawn_where_clips_of_one_are_alike():
    rng = np.random.default_rng(2)
    gains = rng.normal(0.1, 0.3, 60)
    a, units = np.repeat(gains, 5), [f"s{i // 5:02d}" for i in range(300)]
    _, low, high, p = paired_difference(a, np.zeros(300), 500, units=units)
    expected = paired_difference(gains, np.zeros(60), 500)
    assert [low, high, p] == pytest.approx(expected[1:])
    with pytest.raises(ValueError, match="two units or more are needed, not 1"):
        paired_difference(a, np.zeros(300), units=["s"] * 300)
