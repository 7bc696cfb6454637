"""Recipes of several seeds: variances by hand, and how often the tests err."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import nct
from scipy.stats import t as student
from seed_designs import USUAL, Design

from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.power import (
    power,
    seeds_needed,
    systems_needed,
    variance_with,
)
from espnet2_distilmos.scoring.seeds import CELLS, SEEDS, Variance, compare

CLIPS = [["c1", "c2", "c3", "c4"]]


def errors(*rows):
    """Predictions whose squared errors, beside labels of 0, are these."""
    return np.sqrt(np.array(rows, dtype=float))


def mse(predictions, clusterings=CLIPS, names=("clips",), pairs=(), paired=False):
    clusters = Clusters(np.zeros(len(clusterings[0])), clusterings)
    return compare(clusters, names, predictions, "mse", pairs, paired)


def test_a_mean_of_clips_by_hand():
    """Squared errors 1 2 3 6: mean 3, variance 14/3, of the mean 14/12."""
    figures, _ = mse({"a": errors([1, 2, 3, 6])})
    f = figures["a"]
    assert f.value == pytest.approx(3) and f.deviation is None
    assert f.variance.parts == pytest.approx({"clips": 14 / 12})
    half = math.sqrt(14 / 12) * student.ppf(0.975, 3)
    assert f.ci95 == pytest.approx([3 - half, 3 + half])


def test_seeds_by_hand():
    """Two seeds, 1 2 3 6 and 3 4 5 8: one is worse by 2 on every clip.

    Their mean, 2 3 4 7, varies by 14/12 with the clips; the seeds' means 3 and 5 vary
    by 2, so that of their mean is 1; no clip tells the seeds apart.
    """
    f = mse({"a": errors([1, 2, 3, 6], [3, 4, 5, 8])})[0]["a"]
    assert f.by_seed == pytest.approx([3, 5]) and f.deviation == pytest.approx(2**0.5)
    assert f.variance.parts == pytest.approx({"clips": 14 / 12, SEEDS: 1})
    assert f.variance.mixed == pytest.approx(0)
    # Satterthwaite: (13/6)^2 / ((7/6)^2 / 3 + 1 / 1).
    assert f.variance.freedom == pytest.approx((13 / 6) ** 2 / ((7 / 6) ** 2 / 3 + 1))


def test_what_seeds_do_on_single_clips_counts_once():
    """Seeds 0 4 0 4 and 4 0 4 1: the means, 2 and 9/4, differ by single clips only.

    Differences -4 4 -4 3 of the seeds, mean -1/4: from it they are off by -15/4 17/4
    -15/4 13/4, squares 227/4. Of half the difference that is 227/16 / (4 x 3) = 1.1823;
    the means vary by (1/4)^2 / 4 = 1/64 only: nothing is left for the seeds.
    """
    f = mse({"a": errors([0, 4, 0, 4], [4, 0, 4, 1])})[0]["a"]
    # The means of both, 2 2 2 2.5, vary by 3/16 / (4 x 3): no more can be in common.
    assert f.variance.parts["clips"] == pytest.approx(3 / 16 / 12)
    assert f.variance.mixed == pytest.approx(3 / 16 / 12)
    assert f.variance.parts[SEEDS] == pytest.approx(0, abs=1e-12)


def test_what_cancels_in_a_difference_is_not_taken_off_the_seeds():
    """Seeds of both recipes err alike on single clips; of b the second is worse by 2.

    Means over seeds: 2 2 2 2 and 4 4 4 4, the difference is the same on all clips.
    """
    a, b = errors([0, 4, 0, 4], [4, 0, 4, 0]), errors([1, 5, 1, 5], [7, 3, 7, 3])
    (test,) = mse({"a": a, "b": b}, pairs=[("b", "a")])[1]
    assert test.variance.parts == pytest.approx({"clips": 0, SEEDS: 1})
    assert test.variance.mixed == pytest.approx(0)
    assert test.ci95[0] < 0 < test.ci95[1]


def test_two_clusterings_by_hand():
    """2 systems x 2 prompts: squared errors 0 2 (prompts x, y), 4 8 of the other.

    Without a system the means are 6 and 1: 1/2 x 2 x 2.5^2 = 6.25. Without a prompt 5
    and 2: 2.25. Without a clip 14/3, 12/3, 10/3, 6/3: mean 3.5, squares of what differs
    (49 + 9 + 1 + 81) / 36, x 3/4 = 35/12.
    """
    clusterings = [list("aabb"), list("xyxy")]
    two = ("utt2sys", "utt2prompt")
    f = mse({"a": errors([0, 2, 4, 8])}, clusterings, two)[0]["a"]
    expected = {"utt2sys": 6.25 - 35 / 12, "utt2prompt": 0, CELLS: 35 / 12}
    assert f.variance.parts == pytest.approx(expected)
    assert f.variance.df == {"utt2sys": 1, "utt2prompt": 1, CELLS: 3}


def test_a_difference_leaves_out_what_both_have_in_common():
    hard = [1, 2, 3, 60]
    a = errors(hard, np.add(hard, 2))
    b = errors(np.add(hard, [4, 5, 4, 5]), np.add(hard, [6, 7, 6, 7]))
    figures, (test,) = mse({"a": a, "b": b}, pairs=[("b", "a")])
    assert test.value == pytest.approx(4.5)
    # 4 5 4 5 vary by 1/3; the seeds' means by 2 in each model.
    assert test.variance.parts == pytest.approx({"clips": 1 / 12, SEEDS: 2})
    assert test.variance.total < figures["a"].variance.total / 10
    assert test.variance.df[SEEDS] == pytest.approx(2)
    # In pairs the second of both is worse by the same: nothing is left.
    (test,) = mse({"a": a, "b": b}, pairs=[("b", "a")], paired=True)[1]
    assert test.variance.parts == pytest.approx({"clips": 1 / 12, SEEDS: 0}, abs=1e-9)
    t = 4.5 / math.sqrt(1 / 12)
    assert test.p == pytest.approx(2 * student.sf(t, 3), rel=1e-3)


def test_seeds_without_a_partner_cannot_be_paired():
    with pytest.raises(ValueError, match="2 and 1 seeds are no pairs"):
        a, b = errors([1, 2, 3, 6], [3, 4, 5, 8]), errors([1, 2, 3, 6])
        mse({"a": a, "b": b}, pairs=[("a", "b")], paired=True)


def test_a_row_without_seeds_has_no_part_of_them():
    a, b = errors([1, 2, 3, 6], [3, 4, 5, 8]), errors([2, 2, 2, 2])
    figures, (test,) = mse({"a": a, "b": b}, pairs=[("a", "b")])
    assert SEEDS not in figures["b"].variance.parts
    assert test.variance.parts == pytest.approx({"clips": 14 / 12, SEEDS: 1})
    assert test.variance.df[SEEDS] == 1


def test_the_same_predictions_do_not_differ():
    rng = np.random.default_rng(0)
    labels, rows = rng.normal(size=20), rng.normal(size=(1, 20))
    clusters = Clusters(labels, [[str(i // 2) for i in range(20)]])
    test = compare(clusters, ["s"], {"a": rows, "b": rows}, pairs=[("a", "b")])[1][0]
    assert (test.value, test.ci95, test.p) == (0, [0, 0], 1)


def test_undefined_figures_have_no_test():
    labels = np.array([1.0, 1, 2, 3])
    predictions = {"constant": np.ones((2, 4)), "one": np.array([[1.0, 2, 3, 4]])}
    clusters = Clusters(labels, [list("aabb")])  # without b all labels are equal
    pairs = [("constant", "one")]
    figures, (test,) = compare(clusters, ["s"], predictions, pairs=pairs)
    assert figures["constant"].value is None and figures["constant"].ci95 is None
    assert figures["one"].value > 0.9 and figures["one"].ci95 is None
    assert test.value is None and test.p is None


def test_intervals_of_correlations_stay_below_one():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=24)
    rows = labels + 0.1 * rng.normal(size=(3, 24))
    clusters = Clusters(labels, [[str(i // 2) for i in range(24)]])
    for metric in ("srcc", "lcc", "ktau"):
        f = compare(clusters, ["s"], {"a": rows}, metric)[0]["a"]
        low, high = f.ci95
        assert low < f.value < high < 1
        assert f.value - low > high - f.value


def draws(n_sets, better, n_seeds=3, seed=0):
    """Tests of two recipes on sets of 13 systems x 6 talkers."""
    rng = np.random.default_rng(seed)
    who = replace(USUAL, better=better)
    for _ in range(n_sets):
        labels, *names, predictions = who.draw(Design(13, 6), n_seeds, rng)
        clusters = Clusters(labels, names)
        yield compare(clusters, ["s", "p"], predictions, pairs=[("a", "b")])


def errs_as_it_should(tests, wider=1.0):
    """Whether alike recipes differ in 5 % of cases, and SE is what it says."""
    z = np.array([t.value / math.sqrt(t.variance.total) for t in tests]) / wider
    critical = [student.ppf(0.975, t.variance.freedom) for t in tests]
    size = float((np.abs(z) > critical).mean())
    real = float(np.std([t.value for t in tests]))
    told = wider * math.sqrt(np.mean([t.variance.total for t in tests]))
    if wider == 1:
        assert size == np.mean([t.p < 0.05 for t in tests])
    return size, told / real


def test_alike_recipes_seldom_differ_and_the_standard_error_is_right():
    """The short form of test/benchmarks/compare_seeds.py.

    The bounds hold; were the standard error a quarter too wide, or too narrow, they
    would not.
    """
    tests = [test for _, (test,) in draws(300, 0.0)]

    def holds(wider):
        size, ratio = errs_as_it_should(tests, wider)
        return 0.015 < size < 0.08 and 0.9 < ratio < 1.15

    assert holds(1)
    assert not holds(1.25)
    assert not holds(0.8)


def test_a_better_recipe_is_found_as_often_as_power_says():
    """Nearly: power is told a little too high. The interval holds the difference."""
    better = 0.5
    true = USUAL.srcc(better) - USUAL.srcc(0)
    tests = [test for _, (test,) in draws(100, better)]
    found = np.mean([t.p < 0.05 for t in tests])
    told = np.median([power(t.variance, true) for t in tests])
    assert found == pytest.approx(told, abs=0.12) and 0.3 < found < 0.8
    # Of 13 systems a large difference is told too small a little too often.
    held = np.mean([t.ci95[0] <= true <= t.ci95[1] for t in tests])
    assert 0.84 <= held <= 0.98


def test_power_by_hand():
    """2.8 standard errors: 1.96 + 0.84, the 80 % point of the normal distribution."""
    many = Variance({"s": 0.01}, {"s": 1e6}, 0, math.inf)
    assert power(many, 0.28016) == pytest.approx(0.8, abs=1e-4)
    assert power(many, 0.0) == pytest.approx(0.05, abs=1e-4)
    assert power(many, 5) == pytest.approx(1)
    for df in (1, 4, 30):
        few = Variance({"s": 0.01}, {"s": df}, 0, math.inf)
        critical = student.ppf(0.975, df)
        expected = nct.sf(critical, df, 2.0) + nct.cdf(-critical, df, 2.0)
        assert power(few, 0.2) == pytest.approx(expected, abs=1e-3)
        assert power(few, 0.0) == pytest.approx(0.05, abs=1e-3)
        assert power(few, 50) == pytest.approx(1, abs=0.02)


def test_what_other_numbers_of_seeds_and_systems_do():
    """4 of the systems, of which 1 is the seeds', and 2 of the seeds alone; 5 seeds."""
    pilot = Variance({"s": 4.0, SEEDS: 2.0}, {"s": 9.0, SEEDS: 8.0}, 1.0, 5)
    assert variance_with(pilot) == pilot
    twice = variance_with(pilot, 10)
    assert twice.parts == pytest.approx({"s": 3.5, SEEDS: 1})
    assert twice.df == pytest.approx({"s": 9, SEEDS: 18})
    assert variance_with(twice, 5).parts == pytest.approx(pilot.parts)
    more = variance_with(pilot, systems=2)
    assert more.parts == pytest.approx({"s": 2, SEEDS: 2})
    assert more.df == pytest.approx({"s": 19, SEEDS: 8})
    # Prompts stay as they are.
    parts = {"s": 3.0, "p": 2.0, CELLS: 1.0}
    two = Variance(parts, {"s": 9.0, "p": 5.0, CELLS: 59.0}, 0, math.inf)
    assert variance_with(two, 99, 2).parts == pytest.approx(
        {"s": 1.5, "p": 2, CELLS: 0.5}
    )
    # Clips without any part of their own: what they take part in cannot be shared out.
    none = Variance({"s": 0.0, SEEDS: 2.0}, {"s": 9.0, SEEDS: 8.0}, 0.5, 5)
    assert variance_with(none, 10).parts == pytest.approx({"s": 0, SEEDS: 1})


def test_the_least_numbers_for_a_power_of_080():
    pilot = Variance({"s": 4.0, SEEDS: 2.0}, {"s": 9.0, SEEDS: 8.0}, 1.0, 5)
    n = seeds_needed(pilot, 6.5)
    assert n > 1
    assert power(variance_with(pilot, n), 6.5) >= 0.8
    assert power(variance_with(pilot, n - 1), 6.5) < 0.8
    n = systems_needed(pilot, 6.5)
    assert power(variance_with(pilot, systems=n / 10), 6.5) >= 0.8
    assert power(variance_with(pilot, systems=(n - 1) / 10), 6.5) < 0.8
    # Systems and seeds each leave what the other does.
    assert seeds_needed(pilot, 2) is None and systems_needed(pilot, 2) is None
