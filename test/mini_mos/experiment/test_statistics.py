"""Intervals and tests on made-up scores whose truth is known."""

import numpy as np
import pytest
from mini_mos.experiment.statistics import (
    Labels,
    Resampler,
    Values,
    compare_models,
    corrected,
    weighted_srcc,
)

from espnet2_distilmos.scoring.metrics import srcc


def made_up(seed=0, n_systems=12, n_prompts=20):
    """Every system with every prompt."""
    rng = np.random.default_rng(seed)
    system, prompt = np.divmod(np.arange(n_systems * n_prompts), n_prompts)
    of_system = rng.uniform(1, 5, n_systems)
    labels = of_system[system] + 0.4 * rng.standard_normal(len(system))
    data = Labels(labels, [f"s{i}" for i in system], [f"p{i}" for i in prompt])
    return data, rng


def noisy(data, rng, noise, seeds=3):
    return np.asarray(data.labels) + noise * rng.standard_normal(
        (seeds, len(data.labels))
    )


def test_counts_are_repetitions():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 30).astype(float), rng.standard_normal(30)
    times = rng.integers(0, 4, 30)
    i = np.repeat(np.arange(30), times)
    ranked = Values(x), Values(y)
    assert weighted_srcc(*ranked, times) == pytest.approx(srcc(x[i], y[i]), abs=1e-12)
    assert weighted_srcc(ranked[0], Values(np.ones(30)), times) is None
    assert weighted_srcc(*ranked, np.zeros(30, int)) is None


def test_figures_are_means_over_seeds():
    data, rng = made_up()
    predictions = {"a": noisy(data, rng, 0.5)}
    figures, tests = compare_models(data, predictions, n_bootstrap=50)
    expected = [srcc(np.asarray(data.labels), row) for row in predictions["a"]]
    assert figures["a"].by_seed == pytest.approx(expected)
    assert figures["a"].value == pytest.approx(np.mean(expected))
    low, high = figures["a"].ci95
    assert low < figures["a"].value < high and tests == []


def test_systems_are_means_of_their_clips():
    data, rng = made_up()
    row = noisy(data, rng, 1.0, 1)
    value = compare_models(data, {"a": row}, level="sys", n_bootstrap=2)[0]["a"].value
    labels = np.asarray(data.labels).reshape(12, 20).mean(axis=1)
    assert value == pytest.approx(srcc(labels, row[0].reshape(12, 20).mean(axis=1)))


def test_intervals_are_wider_than_over_clips_alone():
    """Clips of one system hang together; few systems are little evidence."""
    data, rng = made_up(n_systems=6, n_prompts=40)
    shift = rng.standard_normal(6)[np.repeat(np.arange(6), 40)]
    row = np.asarray(data.labels) + shift
    crossed = compare_models(data, {"a": row}, n_bootstrap=300)[0]["a"].ci95
    single = Labels(
        data.labels,
        [f"c{i}" for i in range(240)],
        [f"c{i}" for i in range(240)],
    )
    # The same clips, as if each were of a system and a prompt of its own; counts are
    # then the product of two draws of the same size.
    alone = Resampler(single, {"a": row}, "utt").samples(300, 0)["a"]
    assert np.ptp(crossed) > np.percentile(alone, 97.5) - np.percentile(alone, 2.5)


def test_the_spread_of_seeds_widens_the_interval():
    data, rng = made_up()
    good, bad = noisy(data, rng, 0.2, 1), noisy(data, rng, 6.0, 1)
    same = compare_models(data, {"a": np.vstack([good] * 4)}, n_bootstrap=200)
    mixed = compare_models(
        data, {"a": np.vstack([good, good, bad, bad])}, n_bootstrap=200
    )
    assert np.ptp(mixed[0]["a"].ci95) > 3 * np.ptp(same[0]["a"].ci95)


def test_a_clear_difference_is_found_and_none_is_not():
    data, rng = made_up()
    models = {name: noisy(data, rng, s) for name, s in (("a", 0.3), ("b", 2.5))}
    models["c"] = noisy(data, rng, 2.5)
    figures, tests = compare_models(
        data, models, [("a", "b"), ("b", "c"), ("b", "a")], n_bootstrap=400
    )
    first, none, back = tests
    assert first.p < 0.01 and first.ci95[0] > 0
    assert first.difference == pytest.approx(figures["a"].value - figures["b"].value)
    assert none.p > 0.05 and none.ci95[0] < 0 < none.ci95[1]
    assert back.difference == -first.difference
    assert corrected(tests) == pytest.approx([3 * first.p, none.p, 3 * first.p])


def test_the_test_errs_on_the_safe_side():
    """Without any difference about 5 % come out below 0.05, rather fewer."""
    found = 0
    for seed in range(40):
        data, rng = made_up(seed, 10, 8)
        models = {m: noisy(data, rng, 1.0, 2) for m in "ab"}
        _, (test,) = compare_models(data, models, [("a", "b")], n_bootstrap=99)
        found += test.p < 0.05
    assert found <= 5


def test_the_same_seed_gives_the_same_and_another_does_not():
    data, rng = made_up()
    models = {"a": noisy(data, rng, 1.0)}
    first, again, other = (
        compare_models(data, models, n_bootstrap=50, seed=s)[0]["a"].ci95
        for s in (0, 0, 1)
    )
    assert first == again != other


def test_constant_predictions_have_no_figure():
    data, rng = made_up()
    models = {"a": noisy(data, rng, 1.0), "b": np.ones((2, len(data.labels)))}
    figures, (test,) = compare_models(data, models, [("a", "b")], n_bootstrap=20)
    assert figures["b"].value is None and figures["b"].ci95 is None
    assert (test.difference, test.p) == (None, None)


def test_values_must_match_the_labels():
    data, _ = made_up()
    with pytest.raises(ValueError, match="as many values"):
        compare_models(data, {"a": np.ones((2, 3))})
