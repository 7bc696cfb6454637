"""Which clips train, which choose the model, which test it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Dict, List, Optional, Protocol, TypeVar

import numpy as np

from espnet2_distilmos.corpora.own_csv.table import Row
from espnet2_distilmos.scoring.metrics import group_by_system
from espnet2_distilmos.utils.errors import UserError

SETS = ("train", "valid", "test")
# Below it a set by systems would take too many of them from training.
MIN_SYSTEMS_TO_SPLIT = 8
MIN_CLIPS = 8
# A held-out set has as many clips, if that is not over a quarter of all.
MIN_HELD_OUT = 5


class Drawn(Protocol):
    """What can be drawn: a clip with a score and perhaps a system."""

    @property
    def mos(self) -> float:
        """Its score."""

    @property
    def system(self) -> Optional[str]:
        """Its system, or None."""


T = TypeVar("T", bound=Drawn)


@dataclass
class Split:
    """The sets, and how they came about.

    Attributes:
        sets: `train`, `valid` and `test` -> rows.
        told: what was done, in one sentence.
        note: what the test set holds, for the table of results.
    """

    sets: Dict[str, List[Row]]
    told: str
    note: str


def split_rows(
    rows: Sequence[Row],
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Split:
    """Make the three sets; the order of `rows` does not matter.

    - A split column is respected; a set that it lacks is drawn from its train rows.
    - With 8 systems or more, valid and test get whole systems (two at least), so that
      their systems are never heard in training.
    - Otherwise clips are drawn, spread over systems and scores.

    Args:
        rows: the clips.
        valid_fraction: share of the clips for `valid`; 5 clips at least, a quarter of
            all at most.
        test_fraction: the same for `test`.
        seed: of the draws.

    Raises:
        UserError: fewer than 8 clips, no training clips, or shares that leave none.
    """
    fractions = {"valid": valid_fraction, "test": test_fraction}
    if not (min(fractions.values()) > 0 and sum(fractions.values()) <= 0.8):
        raise UserError(
            "--valid_fraction, --test_fraction: the shares of valid and test must be "
            "positive and at most 0.8 together"
        )
    rows = sorted(rows, key=lambda r: str(r.wav).encode())
    has_split = bool(rows) and rows[0].split is not None
    sets = {name: [r for r in rows if r.split == name] for name in SETS}
    if not has_split:
        sets["train"] = rows
    wanted = [name for name in ("test", "valid") if not sets[name]]
    n_all = len(sets["train"])
    if n_all < (MIN_CLIPS if wanted else 2):
        raise UserError(
            f"{n_all} good {'training ' if has_split else ''}clips are too few; "
            f"{MIN_CLIPS} are the least"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    n_systems = len({r.system for r in sets["train"]} - {None})
    by_system = n_systems >= MIN_SYSTEMS_TO_SPLIT
    for name in wanted:
        target = held_out_clips(fractions[name], n_all)
        draw = draw_systems if by_system else draw_clips
        sets[name] = draw(sets["train"], target, rng)
        taken = set(sets[name])
        sets["train"] = [r for r in sets["train"] if r not in taken]
    told = _tell(has_split, wanted, by_system, n_systems, seed)
    return Split(sets, told, _note(sets))


def held_out_clips(fraction: float, n_all: int) -> int:
    """Return how many of `n_all` clips a held-out set gets, about."""
    # Halves are rounded up, unlike by round(), which would go to even numbers.
    share = math.floor(fraction * n_all + 0.5)
    return min(max(share, MIN_HELD_OUT), n_all // 4)


def draw_systems(rows: Sequence[T], target: int, rng: np.random.Generator) -> List[T]:
    """Draw all clips of two systems or more, about `target` clips if they allow it."""
    groups = group_by_system([r.system or "" for r in rows])
    names = list(groups)
    chosen: List[str] = []
    n_clips = 0
    for name in (names[i] for i in rng.permutation(len(names))):
        if n_clips >= target and len(chosen) >= 2:
            break
        if n_clips + len(groups[name]) <= 1.5 * target:
            chosen.append(name)
            n_clips += len(groups[name])
    for name in sorted(names, key=lambda n: len(groups[n])):
        if len(chosen) >= 2:
            break
        if name not in chosen:
            chosen.append(name)
    return [r for r in rows if (r.system or "") in chosen]


def draw_clips(rows: Sequence[T], target: int, rng: np.random.Generator) -> List[T]:
    """Draw `target` clips, one from each of as many groups in (system, score)."""
    ties = rng.permutation(len(rows))
    order = sorted(
        range(len(rows)), key=lambda i: (rows[i].system or "", rows[i].mos, ties[i])
    )
    edges = np.linspace(0, len(rows), target + 1).astype(int)
    return [rows[order[rng.integers(a, b)]] for a, b in zip(edges[:-1], edges[1:])]


def _tell(
    has_split: bool, wanted: Sequence[str], by_system: bool, n_systems: int, seed: int
) -> str:
    drawn = " and ".join(sorted(wanted))
    if has_split and not wanted:
        return "The sets are those of the column split."
    start = "The sets are those of the column split; it has no " + drawn
    start = f"{start}, so that " if has_split else f"{drawn} "
    start += "was drawn from train" if has_split else "were drawn"
    if by_system:
        how = f"by system: their systems are not in train (seed {seed})."
    elif n_systems:
        how = (
            f"by clip (seed {seed}): {n_systems} systems are too few to keep some out "
            f"of training ({MIN_SYSTEMS_TO_SPLIT} are needed)."
        )
    else:
        how = f"by clip, spread over the scores (seed {seed}): there are no systems."
    return f"{start} {how}"


def _note(sets: Dict[str, List[Row]]) -> str:
    systems = {name: {r.system for r in rows} - {None} for name, rows in sets.items()}
    if not systems["test"]:
        return "Clips never heard in training; nothing is known of their systems."
    shared = len(systems["test"] & systems["train"])
    if shared == 0:
        return "Systems never heard in training."
    n = len(systems["test"])
    return f"Clips never heard in training; {shared} of {n} systems are in train."
