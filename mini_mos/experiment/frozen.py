"""The plan of the final runs: fixed before a test set is predicted, then kept to."""

from collections.abc import Mapping
from typing import Any, Dict, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml
from mini_mos.experiment.place import Place
from mini_mos.experiment.planning import counts_of
from mini_mos.experiment.protocol import FINAL, Protocol

FROZEN = "frozen.yaml"  # beside the runs; `frozen` of scores.json
Plain = Dict[str, Any]


def frozen_plan(place: Place, known: Optional[Mapping] = None) -> Optional[Plain]:
    """Return the plan under which test sets were predicted, here or elsewhere.

    Args:
        place: where, perhaps with a plan.
        known: scores from elsewhere, perhaps with one.

    Raises:
        UserError: two plans, or final runs from elsewhere without one.
    """
    path = place.expdir / FROZEN
    here = read_yaml(path) if path.exists() else None
    there = known.get("frozen") if known else None
    runs = known["runs"] if known else []
    if there is None and any(run["part"] == FINAL for run in runs):
        raise UserError(
            "--known: final runs without the plan that they were made under; give "
            "the scores.json that they were written to"
        )
    if here is not None and there is not None and here != there:
        raise UserError(
            f"{path}: another plan than that of --known; test sets are predicted under "
            "one plan: give another --expdir, or leave --known out"
        )
    return here or there


def freeze(
    place: Place,
    protocol: Protocol,
    digests: Mapping[str, str],
    sets: Mapping[str, Mapping],
    known: Optional[Mapping] = None,
) -> None:
    """Note the final runs before any test set is predicted; refuse others after.

    Args:
        place: where.
        protocol: its pairs, and the sets of the first.
        digests: name of a run -> its identity, which knows corpus and upstream.
        sets: primary set -> of :func:`~.results.read_set`.
        known: scores from elsewhere, perhaps with a plan.

    Raises:
        UserError: test sets were predicted under another plan, or have not what the
            protocol says of them.
    """
    for name, planned in protocol.power.sets.items():
        has = counts_of(sets[name])
        if has != planned.counts:
            raise UserError(
                f"{place.data / name}: {has}, but the protocol has {planned.counts}; "
                "make the corpus with its own options (stage 1)"
            )
    plan = {
        "runs": dict(digests),
        "pairs": protocol.pairs,
        "primary_sets": protocol.primary_sets,
    }
    before = frozen_plan(place, known)
    if before not in (None, plan):
        raise UserError(
            f"{place.expdir / FROZEN}: test sets were predicted with other settings, "
            "and are touched once; a new experiment needs another --expdir and new "
            "test sets"
        )
    write_yaml(place.expdir / FROZEN, plan)
