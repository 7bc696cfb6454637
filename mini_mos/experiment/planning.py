"""The power of the final runs, told from the pilot on the development sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np
from scipy.stats import chi2

from espnet2_distilmos.report.tables import markdown_table
from espnet2_distilmos.scoring.jackknife import Clusters
from espnet2_distilmos.scoring.power import WANTED, power
from espnet2_distilmos.scoring.seeds import (
    CELLS,
    SEEDS,
    Variance,
    difference,
    freedom,
)

NAMES = ("utt2sys", "utt2prompt")


@dataclass(frozen=True)
class Counts:
    """How much a set has of what varies."""

    systems: int
    prompts: int
    clips: int

    def __str__(self) -> str:
        return f"{self.systems} systems, {self.prompts} prompts, {self.clips} clips"


@dataclass(frozen=True)
class Planned(Counts):
    """What a test set of the final runs has.

    Attributes:
        pilot: the development set that stands for it.
    """

    pilot: str

    @property
    def counts(self) -> Counts:
        """Return it without its pilot, to compare with a set."""
        return Counts(self.systems, self.prompts, self.clips)


@dataclass(frozen=True)
class Plan:
    """What the pilot is asked.

    Attributes:
        effect: the smallest difference worth having.
        alpha: size of a test before any correction.
        seeds: trainings of either arm of the first pair.
        limit: the seeds' part of the variance is taken at its upper limit of this
            one-sided confidence, since a pilot's few seeds know it badly.
        sets: test set -> what it will be.
    """

    effect: float
    alpha: float
    seeds: List[int]
    limit: float
    sets: Dict[str, Planned]


def counts_of(data: Mapping[str, List]) -> Counts:
    """Return those of a set of scores.json."""
    systems, prompts = len(set(data["systems"])), len(set(data["prompts"]))
    return Counts(systems, prompts, len(data["utts"]))


@dataclass(frozen=True)
class Pilot:
    """The difference of two arms on a development set.

    Attributes:
        variance: of the difference, in parts.
        of_seeds: variance between the seeds of each arm.
        n_seeds: of each.
    """

    variance: Variance
    of_seeds: Tuple[float, float]
    n_seeds: Tuple[int, int]


def pilot_of(data: Mapping[str, List], a: np.ndarray, b: np.ndarray) -> Optional[Pilot]:
    """Return what is known of the difference of two arms' utterance SRCC.

    Args:
        data: a set of scores.json.
        a: (S, N) predictions of the one arm, one row a training.
        b: likewise of the other.

    Returns:
        None where a correlation is undefined.
    """
    clusters = Clusters(np.array(data["labels"]), [data["systems"], data["prompts"]])
    left_out = {m: clusters.leave_out("srcc", p) for m, p in (("a", a), ("b", b))}
    variance = difference("a", "b", left_out, NAMES).variance
    if variance is None:
        return None
    first, second = (left_out[m].values for m in ("a", "b"))
    between = (float(first.var(ddof=1)), float(second.var(ddof=1)))
    return Pilot(variance, between, (len(first), len(second)))


def planned_variance(
    pilot: Pilot, has: Counts, plan: Plan, wanted: Planned
) -> Variance:
    """Return the variance that a pilot's difference is expected to have in the end.

    Every part goes down with what it is of: systems, prompts, clips, seeds.

    Args:
        pilot: on the development set.
        has: of that set.
        plan: the seeds, and how surely their part is to be known.
        wanted: the test set.
    """
    v = pilot.variance
    # What seeds and clips have in common is in the clips' parts.
    before = v.parts[SEEDS] + v.mixed
    df = [n - 1.0 for n in pilot.n_seeds]
    known = sum(x / n for x, n in zip(pilot.of_seeds, pilot.n_seeds))
    expected = [x / n for x, n in zip(pilot.of_seeds, plan.seeds)]
    upper = [x * d / float(chi2.ppf(1 - plan.limit, d)) for x, d in zip(expected, df)]
    fewer = sum(expected) / known if known else 1.0
    highest = before * sum(upper) / known if known else 0.0
    clips = {name: x for name, x in v.parts.items() if name != SEEDS}
    of_clips = sum(clips.values())
    mixed = min(1.0, v.mixed / of_clips) if of_clips else 0.0
    systems, prompts = NAMES
    shares = {
        systems: has.systems / wanted.systems,
        prompts: has.prompts / wanted.prompts,
        CELLS: has.clips / wanted.clips,
    }
    parts = {
        name: x * (1 - mixed + mixed * fewer) * shares[name]
        for name, x in clips.items()
    }
    parts[SEEDS] = max(0.0, highest - v.mixed * fewer)
    by_arm = {str(i): x for i, x in enumerate(upper)}
    seeds = freedom(by_arm, {str(i): n - 1.0 for i, n in enumerate(plan.seeds)})
    degrees = {
        systems: wanted.systems - 1.0,
        prompts: wanted.prompts - 1.0,
        CELLS: wanted.clips - 1.0,
        SEEDS: seeds,
    }
    n_seeds = len(plan.seeds) / sum(1 / n for n in plan.seeds)
    return Variance(parts, degrees, v.mixed * fewer, n_seeds)


def found_effect(variance: Variance, alpha: float) -> float:
    """Return the difference that is found with a power of 0.8."""
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        if power(variance, middle, alpha) < WANTED:
            low = middle
        else:
            high = middle
    return high


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
        pilot = pilot_of(data, *arms[wanted.pilot])
        if pilot is None:
            continue
        v = planned_variance(pilot, counts_of(data), plan, wanted)
        errors = [f"{v.parts[k] ** 0.5:.4f}" for k in (*NAMES, CELLS, SEEDS)]
        sizes = [str(n) for n in (wanted.clips, wanted.systems, wanted.prompts)]
        chance = power(v, plan.effect, plan.alpha)
        found = found_effect(v, plan.alpha)
        last = [f"{v.total**0.5:.4f}", f"{chance:.2f}", f"{found:.3f}"]
        rows.append([name, wanted.pilot, *sizes, *errors, *last])
    if not rows:
        return "No pilot has been run yet.\n"
    header = ["set", "from", "clips", "systems", "prompts", "SE: systems", "prompts"]
    header += ["cells", "seeds", "in all", f"power at {plan.effect:g}"]
    header.append(f"found with {WANTED}")
    told = (
        f"{' and '.join(map(str, plan.seeds))} seeds, alpha {plan.alpha:g}; the "
        f"variance between seeds of each arm at its upper limit of {plan.limit:.0%}. "
        "A part that the pilot cannot tell from zero is taken for zero.\n\n"
    )
    return told + markdown_table(header, rows)
