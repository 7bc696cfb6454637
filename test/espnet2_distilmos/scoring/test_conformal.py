"""Intervals hold as many labels as they promise, by simulation and by hand."""

import math

import numpy as np
import pytest

from espnet2_distilmos.scoring.conformal import COVERAGES, covered, half_widths
from espnet2_distilmos.utils.errors import UserError


def as_ids(values, first=0):
    return {f"u{i:05d}": float(v) for i, v in enumerate(values, first)}


def test_by_hand():
    """Nine errors 1 to 9: 90 % is the 9th, since ceil(10 x 0.9) = 9; 89 % too."""
    ref, hyp = as_ids(range(1, 10)), as_ids(np.zeros(9))
    found = half_widths(ref, hyp)
    expected = {p: math.ceil(10 * p / 100) for p in range(50, 91)}
    assert found == {p: float(k) for p, k in expected.items()}
    signs = {utt: -value for utt, value in ref.items()}
    assert half_widths(signs, hyp) == found
    # The order statistic, not a value between two, for any number of clips.
    rng = np.random.default_rng(0)
    for n in (19, 99, 250, 1000):
        errors = rng.exponential(size=n)
        found = half_widths(as_ids(errors), as_ids(np.zeros(n)))
        for percent in COVERAGES:
            rank = -(-(n + 1) * percent // 100)
            if rank > n:
                assert percent not in found
            else:
                assert found[percent] == np.sort(errors)[rank - 1]


def test_one_clip_a_system_is_the_same():
    rng = np.random.default_rng(1)
    ref, hyp = as_ids(rng.normal(size=120)), as_ids(rng.normal(size=120))
    assert half_widths(ref, hyp, {u: f"s{u}" for u in ref}) == half_widths(ref, hyp)


def test_a_system_counts_once_however_many_clips_it_has():
    ref = as_ids(range(1, 28))
    hyp = as_ids(np.zeros(27))
    systems = {utt: f"s{i // 3}" for i, utt in enumerate(ref)}
    once = half_widths(ref, hyp, systems)
    # 9 systems of 3 clips, in the order of their errors: each clip weighs 1/30.
    assert once[90] == 27 and once[80] == 24 and once[50] == 15
    more = {f"x{i}": 27.0 for i in range(100)}
    all_alike = half_widths(
        {**ref, **more},
        {**hyp, **dict.fromkeys(more, 0.0)},
        {**systems, **dict.fromkeys(more, "s8")},
    )
    assert all_alike[80] == once[80] and all_alike[90] == once[90] == 27


@pytest.mark.parametrize("n", [9, 30, 200])
@pytest.mark.parametrize("percent", [50, 80, 90])
def test_exchangeable_clips_are_covered_as_promised(n, percent):
    """Over many calibrations: within binomial error, and between c and c + 1/(n+1)."""
    rng = np.random.default_rng(n * percent)
    trials = 1500 if n < 100 else 500
    inside = 0
    zeros = np.zeros(n)
    for _ in range(trials):
        # Errors of a biased model with heavy tails: nothing is assumed of them.
        errors = 0.3 + rng.standard_t(3, size=n + 1)
        found = half_widths(as_ids(errors[:n]), as_ids(zeros))
        inside += covered(as_ids(errors[n:]), as_ids([0.0]), found[percent]).n_covered
    share, expected = inside / trials, math.ceil((n + 1) * percent / 100) / (n + 1)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / trials)
    assert share > percent / 100 - 4 * math.sqrt(0.25 / trials)


def test_clips_of_new_systems_are_covered_only_with_systems():
    """Systems have errors of their own: clips of a new one are not like the others."""
    rng = np.random.default_rng(5)
    trials, n_systems, n_clips = 800, 14, 8
    shares = {"systems": [], "clips": []}
    for _ in range(trials):
        offsets = rng.normal(size=n_systems + 1)
        errors = offsets[:, None] + 0.05 * rng.normal(size=(n_systems + 1, n_clips))
        ref = as_ids(errors[:-1].ravel())
        hyp = dict.fromkeys(ref, 0.0)
        systems = {utt: f"s{i // n_clips}" for i, utt in enumerate(ref)}
        new = as_ids(errors[-1])
        zeros = dict.fromkeys(new, 0.0)
        for name, groups in (("systems", systems), ("clips", None)):
            half = half_widths(ref, hyp, groups)[90]
            shares[name].append(covered(new, zeros, half).share)
    mean = {name: np.mean(values) for name, values in shares.items()}
    error = np.std(shares["systems"]) / math.sqrt(trials)
    assert mean["systems"] > 0.9 - 3 * error
    assert mean["clips"] < 0.9 - 3 * error


def test_too_few_are_refused():
    ref = as_ids(range(8))
    with pytest.raises(UserError, match=r"^labels: 8 clips are too few .*\(9 are need"):
        half_widths(ref, ref)
    ref = as_ids(range(100))
    systems = {utt: f"s{i % 8}" for i, utt in enumerate(ref)}
    with pytest.raises(UserError, match="8 systems are too few for intervals of 90 %"):
        half_widths(ref, ref, systems)
    with pytest.raises(UserError, match="u00000"):
        half_widths(ref, as_ids(range(99), 1))
    with pytest.raises(UserError):
        covered({}, {}, 1.0)


def test_what_is_covered():
    ref, hyp = as_ids([1.0, 2.0, 3.0, 4.0]), as_ids([1.5, 2.0, 4.0, 2.0])
    systems = dict(zip(ref, ["a", "a", "a", "b"]))
    found = covered(ref, hyp, 0.5, systems)
    assert (found.n_covered, found.n_utt, found.share) == (2, 4, 0.5)
    assert found.by_system == pytest.approx((2 / 3 + 0) / 2)
    low, high = found.interval()  # Wilson 1927, by hand
    assert (low, high) == pytest.approx((0.1500, 0.8500), abs=1e-4)
    assert covered(ref, ref, 0.0).interval() == pytest.approx((0.5101, 1), abs=1e-4)
