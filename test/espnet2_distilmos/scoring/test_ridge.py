"""The linear probe's regression: what it finds, and how it chooses its strength."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from espnet2_distilmos.scoring.ridge import FOLDS, STRENGTHS, fit_ridge, folds_of


def made(n, size, seed=0, noise=0.1):
    """Features (n, size) float32, labels that three of them make, 12 groups."""
    rng = np.random.default_rng(seed)
    x = (3 * rng.standard_normal((n, size)) + rng.uniform(-9, 9, size)).astype("f4")
    y = 3 + x[:, :3] @ [0.5, -0.3, 0.2] + noise * rng.standard_normal(n)
    return x, y, [f"s{i % 12}" for i in range(n)]


@pytest.mark.parametrize("n, size, least", [(200, 12, 0.99), (500, 300, 0.8)])
def test_a_planted_relation_is_found(n, size, least):
    x, y, groups = made(n, size)
    model = fit_ridge(x[: n // 2], y[: n // 2], groups[: n // 2])
    r = np.corrcoef(model.predict(x[n // 2 :]), y[n // 2 :])[0, 1]
    assert r > least
    assert model.offset == pytest.approx(y[: n // 2].mean())


@pytest.mark.parametrize("n, size", [(80, 20), (40, 90)])
def test_it_is_ridge_and_left_out_errors_are_those_of_fits_without_the_fold(n, size):
    """Against scikit-learn, fold by fold, on features standardised over all clips."""
    x, y, groups = made(n, size)
    x[:, 5] = 7.0  # says nothing, and must not divide by zero
    model = fit_ridge(x, y, groups)
    kept = np.delete(x, 5, axis=1).astype(np.float64)
    z = (kept - kept.mean(0)) / kept.std(0)
    folds = folds_of(groups, n)
    for strength, error in zip(STRENGTHS, model.errors, strict=True):
        ridge = Ridge(strength * size, solver="svd")
        found = np.empty(n)
        for fold in range(FOLDS):
            out = folds == fold
            found[out] = ridge.fit(z[~out], y[~out]).predict(z[out])
        assert error == pytest.approx(np.mean((found - y) ** 2), rel=1e-6)
    assert model.errors[list(STRENGTHS).index(model.strength)] == min(model.errors)
    best = Ridge(model.strength * size, solver="svd").fit(z, y)
    np.testing.assert_allclose(model.predict(x), best.predict(z), atol=1e-8)


def test_a_system_is_in_one_fold_and_the_seed_deals_them_out():
    groups = [f"s{i % 7}" for i in range(70)]
    folds = folds_of(groups, 70)
    assert set(folds) == set(range(FOLDS))
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups) if g == group}) == 1
    assert np.array_equal(folds, folds_of(groups, 70))
    assert not np.array_equal(folds, folds_of(groups, 70, seed=1))


def test_groups_keep_a_systems_mark_from_choosing_the_strength():
    """Each system has a mark of its own: within a system it tells everything, and of
    another system nothing."""
    rng = np.random.default_rng(0)
    systems = [f"s{i // 10:02d}" for i in range(200)]
    level = {s: rng.uniform(1, 5) for s in sorted(set(systems))}
    y = np.array([level[s] for s in systems])
    marks = np.eye(20)[[int(s[1:]) for s in systems]]
    x = marks + 0.01 * rng.standard_normal(marks.shape)
    by_system = fit_ridge(x, y, systems)
    by_clip = fit_ridge(x, y, None)
    assert by_clip.strength < by_system.strength
    assert min(by_clip.errors) < 0.1 < min(by_system.errors)


@pytest.mark.parametrize("groups", [None, ["only"] * 30])
def test_one_system_or_none_shares_out_clips(groups):
    x, y, _ = made(30, 8)
    model = fit_ridge(x, y, groups)
    assert len(model.errors) == len(STRENGTHS)
    assert np.corrcoef(model.predict(x), y)[0, 1] > 0.95


def test_one_clip_and_features_without_content_give_the_mean():
    x, y, _ = made(1, 8)
    model = fit_ridge(x, y)
    assert model.errors == () and model.predict(made(4, 8)[0]) == pytest.approx(
        [y[0]] * 4
    )
    constant = fit_ridge(np.ones((9, 4), "f4"), np.arange(9.0))
    assert constant.predict(np.zeros((2, 4), "f4")) == pytest.approx([4.0, 4.0])


def test_same_numbers_with_any_number_of_threads():
    x, y, groups = made(150, 400)
    one, two = (fit_ridge(x, y, groups, n_jobs=n) for n in (1, 2))
    assert one.strength == two.strength
    np.testing.assert_allclose(one.predict(x), two.predict(x), atol=1e-9)
