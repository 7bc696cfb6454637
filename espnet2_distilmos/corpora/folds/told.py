"""What is said of folds: in their record, in the log and under their tables."""

from collections.abc import Sequence
from typing import Any, Dict, List

from espnet2_distilmos.corpora.folds.deal import Clip, Fold
from espnet2_distilmos.utils.folds import PARTS, Folds
from espnet2_distilmos.utils.terminal import counted


def counts(fold: Fold) -> Dict[str, Any]:
    """Return what the record says of a fold."""
    return {
        part: {
            "clips": len(clips),
            "mean_label": round(sum(c.mos for c in clips) / len(clips), 4),
            "systems": _systems(clips),
        }
        for part in PARTS
        for clips in [getattr(fold, part)]
    }


def _systems(clips: Sequence[Clip]) -> List[str]:
    return sorted({c.system for c in clips if c.system is not None}, key=str.encode)


def sizes(fold: Fold, by: str) -> str:
    """Return `train 48 clips of 8 systems, valid 12 clips of 2 systems...`."""
    said = []
    for part in PARTS:
        said.append(f"{part} {_size(getattr(fold, part), by)}")
    return ", ".join(said)


def _size(clips: Sequence[Clip], by: str) -> str:
    """Return `48 clips of 8 systems`, or the clips alone."""
    groups = _systems(clips)
    of = f" of {len(groups)} {by}s" if groups and by != "clip" else ""
    return f"{counted(len(clips), 'clip')}{of}"


def note(number: int, n_folds: int, fold: Fold, by: str) -> str:
    """Say what the test part of a fold holds, for its table."""
    heard = f"; none of its {by}s was heard in training" if by != "clip" else ""
    return f"Fold {number} of {n_folds}{heard}: {sizes(fold, by)}."


def told_of(folds: Folds, sets: List[str], dealt: List[Fold], n_dropped: int) -> str:
    """Say how the table over all folds came about."""
    clips = [c for fold in dealt for c in fold.test]
    by = folds.by
    told = (
        f"Out of fold: {_size(clips, by)} ({' + '.join(sets)}) in {folds.n} folds "
        f"by {by}; each clip is predicted by the one of {folds.n} models that was "
        + (
            f"neither trained nor chosen on any clip of its {by}."
            if by != "clip"
            else "neither trained nor chosen on it; its system was heard in training."
        )
    )
    apart = sum(fold.apart for fold in dealt)
    which = "The" if apart in (0, folds.n) else f"In {apart} folds the"
    shared = "apart from" if apart else "in"
    if by != "clip":
        told += f" {which} {by}s of the validation parts are {shared} training."
    if n_dropped:
        tested = counted(n_dropped, "clip", "is")
        told += f" {tested} tested, but too short or long to train."
    return told
