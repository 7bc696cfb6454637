"""The power of the final runs, told from the pilot on the development sets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple

import numpy as np
from scipy.stats import chi2

from espnet2_distilmos.report.tables import markdown_table
from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.power import power, variance_with
from espnet2_distilmos.scoring.seeds import CELLS, SEEDS, Variance, difference

NAMES = ("utt2sys", "utt2prompt")


@dataclass(frozen=True)
class Planned:
    """A test set of the final runs.

    Attributes:
        pilot: the development set that stands for it.
        systems: that it will have.
        prompts: likewise.
        clips: likewise.
    """

    pilot: str
    systems: int
    prompts: int
    clips: int


@dataclass(frozen=True)
class Plan:
    """What the pilot is asked.

    Attributes:
        effect: the smallest difference worth having.
        alpha: size of a test before any correction.
        seeds: trainings of each arm.
        limit: the seeds' part of the variance is taken at its upper limit of this
            one-sided confidence, since a pilot's few seeds know it badly.
        sets: test set -> what it will be.
    """

    effect: float
    alpha: float
    seeds: int
    limit: float
    sets: Dict[str, Planned]


@dataclass(frozen=True)
class Counts:
    """How much a set has of what varies."""

    systems: int
    prompts: int
    clips: int


def counts_of(data: Mapping[str, List]) -> Counts:
    """Return those of a set of scores.json."""
    systems, prompts = len(set(data["systems"])), len(set(data["prompts"]))
    return Counts(systems, prompts, len(data["utts"]))


def planned_variance(
    pilot: Variance, has: Counts, plan: Plan, wanted: Planned
) -> Variance:
    """Return the variance that a pilot's difference is expected to have in the end.

    Every part goes down with what it is of: systems, prompts, clips, seeds.

    Args:
        pilot: of the difference, on the development set.
        has: of that set.
        plan: the seeds, and how surely their part is to be known.
        wanted: the test set.
    """
    # What seeds and clips have in common is part of what varies between seeds.
    between = pilot.parts[SEEDS] + pilot.mixed
    df = pilot.df[SEEDS]
    highest = between * df / float(chi2.ppf(1 - plan.limit, df))
    parts = {**pilot.parts, SEEDS: highest - pilot.mixed}
    found = variance_with(replace(pilot, parts=parts), plan.seeds)
    systems, prompts = NAMES
    shares = {
        systems: has.systems / wanted.systems,
        prompts: has.prompts / wanted.prompts,
        CELLS: has.clips / wanted.clips,
        SEEDS: 1.0,
    }
    parts = {name: v * shares[name] for name, v in found.parts.items()}
    freedom = {
        systems: wanted.systems - 1.0,
        prompts: wanted.prompts - 1.0,
        CELLS: wanted.clips - 1.0,
        SEEDS: found.df[SEEDS],
    }
    return Variance(parts, freedom, found.mixed, found.n_seeds)


def pilot_variance(
    data: Mapping[str, List], a: np.ndarray, b: np.ndarray
) -> Optional[Variance]:
    """Return the variance of the difference of utterance SRCC, in parts.

    Args:
        data: a set of scores.json.
        a: (S, N) predictions of the one arm.
        b: (S, N) of the other.
    """
    clusters = Clusters(np.array(data["labels"]), [data["systems"], data["prompts"]])
    left_out = {m: clusters.leave_out("srcc", p) for m, p in (("a", a), ("b", b))}
    return difference("a", "b", left_out, NAMES).variance


def power_of_plan(
    plan: Plan,
    sets: Mapping[str, Mapping],
    arms: Mapping[str, Tuple[np.ndarray, np.ndarray]],
) -> str:
    """Return a table: a test set a row, what its standard error and power will be.

    Args:
        plan: what is asked.
        sets: of scores.json.
        arms: development set -> (S, N) predictions of both arms, the first pair's.
    """
    rows = []
    for name, wanted in plan.sets.items():
        if wanted.pilot not in arms:
            continue
        data = sets[wanted.pilot]
        pilot = pilot_variance(data, *arms[wanted.pilot])
        if pilot is None or SEEDS not in pilot.parts:
            continue
        v = planned_variance(pilot, counts_of(data), plan, wanted)
        errors = [f"{v.parts[k] ** 0.5:.4f}" for k in (*NAMES, CELLS, SEEDS)]
        sizes = [str(n) for n in (wanted.clips, wanted.systems, wanted.prompts)]
        last = [f"{v.total**0.5:.4f}", f"{power(v, plan.effect, plan.alpha):.2f}"]
        rows.append([name, wanted.pilot, *sizes, *errors, *last])
    if not rows:
        return "No pilot has been run yet.\n"
    header = ["set", "from", "clips", "systems", "prompts", "SE: systems", "prompts"]
    header += ["cells", "seeds", "in all", f"power at {plan.effect:g}"]
    told = (
        f"{plan.seeds} seeds of each arm, alpha {plan.alpha:g}; the seeds' part at its "
        f"upper limit of {plan.limit:.0%}.\n\n"
    )
    return told + markdown_table(header, rows)
