"""Which clips of a fold train, which choose its checkpoint, which test it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Dict, List, Optional

import numpy as np

from espnet2_distilmos.corpora.own_csv.split import (
    MIN_CLIPS,
    MIN_SYSTEMS_TO_SPLIT,
    draw_clips,
    draw_systems,
    held_out_clips,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.terminal import counted

VALID_FRACTION = 0.1
# Validation parts drawn, of which the one most like the rest is taken.
_DRAWS = 20


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        utt: its ID.
        mos: its label.
        system: what the folds keep apart: its system, or its speaker. Of folds of
            single clips, its system, if that is known.
        usable: whether it can train and validate; all clips test.
    """

    utt: str
    mos: float
    system: Optional[str] = None
    usable: bool = True


@dataclass
class Fold:
    """The parts of a fold.

    Attributes:
        train: clips that train.
        valid: clips that choose the checkpoint.
        test: clips that are predicted.
        apart: whether the validation part shares no system with the training part.
    """

    train: List[Clip]
    valid: List[Clip]
    test: List[Clip]
    apart: bool


def deal_folds(
    clips: Sequence[Clip], n_folds: int, by: str = "system", seed: int = 0
) -> List[Fold]:
    """Make folds; the order of `clips` does not matter.

    Every clip tests in one fold. Systems, in the order of their mean labels, are cut
    into groups of as many as there are folds (what is over is taken from the middle),
    and every fold gets one of each group: the largest goes to the fold with the fewest
    clips so far, of several such folds to the one whose labels it brings nearest to
    the mean of all. So folds are alike in systems, labels and clips, in this order.

    A fold's validation part comes from what it does not test, a tenth of all clips (5
    at least, a quarter of those at most). With 8 systems there or more it is whole
    systems, two at least, so that the training never hears them; with fewer, or in
    folds of single clips, it is drawn clip by clip, spread over systems and scores. Of
    20 draws the one counts whose mean label is nearest to that of what is drawn from.

    Args:
        clips: those there are.
        n_folds: how many folds.
        by: `system`, `speaker` (then the clips' systems are speakers) or `clip`.
        seed: of the draws.

    Raises:
        UserError: fewer than 2 folds, fewer systems than folds, fewer than 8 clips, or
            a fold with nothing to train on.
    """
    clips = sorted(clips, key=lambda c: c.utt.encode())
    if n_folds < 2:
        raise UserError(f"{n_folds} folds: 2 are the least; each is tested once")
    if len(clips) < MIN_CLIPS:
        raise UserError(
            f"{counted(len(clips), 'clip', 'is')} too few; {MIN_CLIPS} are the least"
        )
    members: Dict[str, List[Clip]] = {}
    for clip in clips:
        unit = clip.utt if by == "clip" else clip.system or ""
        members.setdefault(unit, []).append(clip)
    if len(members) < n_folds:
        other = "" if by == "clip" else ", or --fold_by clip"
        raise UserError(
            f"{n_folds} folds by {by} need as many {by}s, there are {len(members)}; "
            f"give fewer --folds{other}"
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    tests = _deal(members, n_folds, rng)
    return [_parts(i, clips, test, by, rng) for i, test in enumerate(tests, 1)]


def _deal(
    members: Dict[str, List[Clip]], n_folds: int, rng: np.random.Generator
) -> List[List[Clip]]:
    """Return the clips that each fold tests."""
    overall = _mean([c for clips in members.values() for c in clips])
    names = sorted(members, key=str.encode)
    names = [names[i] for i in rng.permutation(len(names))]
    names.sort(key=lambda name: _mean(members[name]))  # stable: equal ones are drawn
    folds: List[List[Clip]] = [[] for _ in range(n_folds)]
    for group in _groups(names, n_folds):
        waiting = list(range(n_folds))
        for name in sorted(group, key=lambda name: -len(members[name])):
            choice = min(
                waiting,
                key=lambda i: (
                    len(folds[i]),
                    abs(_excess(folds[i] + members[name], overall)),
                ),
            )
            folds[choice].extend(members[name])
            waiting.remove(choice)
    return folds


def _groups(names: List[str], size: int) -> List[List[str]]:
    """Cut into groups of `size` from both ends; what is left of the middle is last."""
    groups: List[List[str]] = []
    low, high = 0, len(names)
    while high - low >= size:
        if len(groups) % 2 == 0:
            groups.append(names[low : low + size])
            low += size
        else:
            groups.append(names[high - size : high])
            high -= size
    return [*groups, names[low:high]]


def _excess(clips: Sequence[Clip], overall: float) -> float:
    """Return how far the labels are above the mean of all, in sum."""
    return round(sum(c.mos - overall for c in clips), 9)


def _mean(clips: Sequence[Clip]) -> float:
    # Rounded: sums in another order must not decide.
    return round(float(np.mean([c.mos for c in clips])), 9)


def _parts(
    number: int,
    clips: Sequence[Clip],
    test: List[Clip],
    by: str,
    rng: np.random.Generator,
) -> Fold:
    tested = {c.utt for c in test}
    rest = [c for c in clips if c.utt not in tested and c.usable]
    n_systems = len({c.system for c in rest})
    apart = by != "clip" and n_systems >= MIN_SYSTEMS_TO_SPLIT
    target = min(held_out_clips(VALID_FRACTION, len(clips)), len(rest) // 4)
    if target == 0:
        raise UserError(
            f"fold {number}: {counted(len(rest), 'clip')} of usable length left to "
            "train and validate; 4 are the least"
        )
    draw = draw_systems if apart else draw_clips
    draws = [draw(rest, target, rng) for _ in range(_DRAWS)]
    valid = min(draws, key=lambda drawn: abs(_excess(drawn, _mean(rest)) / len(drawn)))
    chosen = {c.utt for c in valid}
    train = [c for c in rest if c.utt not in chosen]
    return Fold(train, valid, sorted(test, key=lambda c: c.utt.encode()), apart)
