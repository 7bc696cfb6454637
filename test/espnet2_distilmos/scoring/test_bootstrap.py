"""The bootstrap: its width, its determinism, what it does when undefined."""

import numpy as np
import pytest

from espnet2_distilmos.scoring.bootstrap import bootstrap_intervals, whole_groups


def mean_of(x):
    return lambda i: {"mean": float(x[i].mean()) if len(i) else None}


def test_interval_of_a_mean_is_as_theory_says():
    x = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_intervals(400, mean_of(x), 2000)["mean"]
    half = 1.96 * x.std() / 20
    assert low == pytest.approx(x.mean() - half, abs=0.01)
    assert high == pytest.approx(x.mean() + half, abs=0.01)


def test_clips_of_one_system_are_drawn_together():
    """Ten clips that are all alike tell no more than one of them."""
    x = np.random.default_rng(1).normal(size=40)
    clips = np.repeat(x, 10)
    groups = {f"s{i:02d}": np.arange(10 * i, 10 * i + 10) for i in range(40)}
    of_systems = bootstrap_intervals(40, mean_of(x), 200)["mean"]
    whole = bootstrap_intervals(40, whole_groups(groups, mean_of(clips)), 200)["mean"]
    assert whole == pytest.approx(of_systems)
    alone = bootstrap_intervals(400, mean_of(clips), 200)["mean"]
    assert whole[1] - whole[0] > 2 * (alone[1] - alone[0])


def test_seed_decides():
    x = np.arange(30.0)
    first = bootstrap_intervals(30, mean_of(x), 100, seed=3)
    assert bootstrap_intervals(30, mean_of(x), 100, seed=3) == first
    assert bootstrap_intervals(30, mean_of(x), 100, seed=4) != first


def test_the_generator_is_pinned():
    """Published intervals must come out again: this fails if the stream changes."""
    seen = []

    def statistic(i):
        seen.append(i.tolist())
        return {"n": 1.0}

    bootstrap_intervals(10, statistic, 2)
    rng = np.random.Generator(np.random.PCG64(0))
    assert seen[1:] == [rng.integers(10, size=10).tolist() for _ in range(2)]
    assert seen[1] == [8, 6, 5, 2, 3, 0, 0, 0, 1, 8]


@pytest.mark.parametrize("defined,expected", [(50, [1.0, 1.0]), (49, None)])
def test_undefined_resamples(defined, expected):
    calls = iter([None] + [1.0] * defined + [None] * (100 - defined))
    result = bootstrap_intervals(5, lambda i: {"x": next(calls)}, 100)
    assert result == {"x": expected}


@pytest.mark.parametrize("n_units,n_bootstrap", [(0, 10), (1, 10), (10, 0)])
def test_nothing_to_resample(n_units, n_bootstrap):
    result = bootstrap_intervals(n_units, lambda i: {"x": 1.0}, n_bootstrap)
    assert result == {"x": None}
