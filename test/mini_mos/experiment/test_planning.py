"""What the pilot tells of the final runs, and the first pair in parts of a set."""

import numpy as np
import pytest
from scipy.stats import chi2

from espnet2_distilmos.scoring.metrics import srcc
from espnet2_distilmos.scoring.power import power
from espnet2_distilmos.scoring.seeds import Variance
from mini_mos.experiment.groups import members, table_of_groups, tables_of_seeds
from mini_mos.experiment.planning import (
    Counts,
    Pilot,
    Plan,
    Planned,
    counts_of,
    found_effect,
    pilot_of,
    planned_variance,
    power_of_plan,
)

PARTS = {"utt2sys": 4e-4, "utt2prompt": 2e-4, "cells": 1e-4, "seeds": 3e-4}
DF = {"utt2sys": 49.0, "utt2prompt": 39.0, "cells": 399.0, "seeds": 8.0}
# 0.0003 is a fifth of 0.0005 + 0.001.
PILOT = Pilot(Variance(PARTS, DF, mixed=0.0, n_seeds=5), (5e-4, 1e-3), (5, 5))
HAS = Counts(systems=50, prompts=40, clips=400)
UPPER = 4 / chi2.ppf(0.2, 4)
WANTED = Planned(pilot="dev", systems=200, prompts=80, clips=1600)
PLAN = Plan(effect=0.02, alpha=0.025, seeds=[10, 20], limit=0.8, sets={"test": WANTED})


def made_set(rng, n_systems=12, n_prompts=10):
    """Return a set of scores.json, every system with every prompt, and predictions."""
    systems = np.repeat(np.arange(n_systems), n_prompts)
    labels = rng.normal(size=n_systems)[systems] + rng.normal(size=len(systems))
    data = {
        "utts": [f"u{i}" for i in range(len(labels))],
        "labels": list(labels),
        "systems": [f"s{i}" for i in systems],
        "prompts": [f"p{i}" for i in np.tile(np.arange(n_prompts), n_systems)],
        "groups": ["opus" if s % 3 else "mp3+opus" for s in systems],
    }
    return data, [labels + rng.normal(size=(4, len(labels))) for _ in range(2)]


def test_every_part_goes_down_with_what_it_is_of():
    v = planned_variance(PILOT, HAS, PLAN, WANTED)
    assert v.parts == pytest.approx(
        {
            "utt2sys": 4e-4 / 4,
            "utt2prompt": 2e-4 / 2,
            "cells": 1e-4 / 4,
            "seeds": UPPER * (5e-4 / 10 + 1e-3 / 20),
        }
    )
    assert v.df["utt2sys"] == 199 and v.df["cells"] == 1599
    assert 9 < v.df["seeds"] < 28
    assert power(v, 0.02, 0.025) < power(v, 0.02)
    assert power(v, found_effect(v, 0.025), 0.025) == pytest.approx(0.8, abs=1e-3)


def test_what_seeds_and_clips_share_is_taken_off_after_the_limit():
    # All that varies between the seeds the clips' parts hold already.
    shared = Variance({**PARTS, "seeds": 0.0}, DF, 3e-4, 5)
    v = planned_variance(Pilot(shared, PILOT.of_seeds, (5, 5)), HAS, PLAN, WANTED)
    between = 5e-4 / 10 + 1e-3 / 20
    assert v.parts["seeds"] == pytest.approx((UPPER - 1) * between)
    # 3 of 7 parts of the clips' variance go down with the seeds, by a factor of 3.
    assert v.parts["cells"] == pytest.approx(1e-4 / 4 * (4 / 7 + 3 / 7 / 3))


def test_the_table_tells_the_power_of_the_sets_that_have_a_pilot():
    rng = np.random.default_rng(0)
    data, arms = made_set(rng)
    assert counts_of(data) == Counts(12, 10, 120)
    assert pilot_of(data, *arms).n_seeds == (4, 4)
    page = power_of_plan(PLAN, {"dev": data}, {"dev": tuple(arms)})
    (row,) = [line for line in page.splitlines() if line.startswith("| test")]
    assert row.split()[3:9:2] == ["dev", "1600", "200"]
    chance, found = float(row.split()[-4]), float(row.split()[-2])
    assert 0.025 <= chance < 0.8 and found > 0.02
    assert power_of_plan(PLAN, {}, {}) == "No pilot has been run yet.\n"


def test_a_clip_of_two_families_is_in_both():
    found = members(["opus", "mp3+opus", ""])
    assert {k: list(v) for k, v in found.items()} == {
        "mp3": [False, True, False],
        "opus": [True, True, False],
    }
    data, (a, b) = made_set(np.random.default_rng(1))
    arms = {"dev": {"a": a, "b": b}}
    page = table_of_groups({"dev": data}, ("a", "b"), arms)
    first, second = page.splitlines()[-2:]
    assert first.split("|")[1:5] == [" dev ", " mp3   ", " 40    ", " 4       "]
    assert second.split("|")[2:4] == [" opus  ", " 120   "]
    # A set of one group has its row elsewhere.
    one = {**data, "groups": ["fr"] * 120}
    assert table_of_groups({"dev": one}, ("a", "b"), arms) == ""


def test_every_seed_is_shown_and_those_of_both_arms_are_left_out_once():
    data, (a, b) = made_set(np.random.default_rng(2))
    b[:2] = b[2:] = a[:2]  # alike, but for the seeds that a has as well:
    b[:2] = np.array(data["labels"])
    pair, seeds = ("a", "b"), {"a": [0, 1, 2, 3], "b": [2, 3, 8, 9]}
    by_seed = {
        arm: {"by_seed": [srcc(np.array(data["labels"]), row) for row in rows]}
        for arm, rows in (("a", a), ("b", b))
    }
    of = ({"dev": data}, pair, {"dev": {"a": a, "b": b}})
    page = tables_of_seeds(*of, seeds, {"dev": by_seed})
    every, apart = page.split("Without the seeds that both have")
    assert "| 2: 1.000, 3: 1.000, 8: 0." in every
    (row,) = [line for line in apart.splitlines() if line.startswith("| dev")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1:3] == ["4", "2"] and float(cells[4]) < 0.9
    # One seed of its own is too few to tell how they vary.
    seeds = {"a": [0, 1, 2, 3], "b": [1, 2, 3, 9]}
    page = tables_of_seeds(*of, seeds, {"dev": by_seed})
    assert "Without" not in page
