"""One phase of the experiment after the other."""

import json
import logging
from collections.abc import Sequence
from typing import Any, Dict, List, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    folder_lock,
    read_yaml,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.terminal import counted
from mini_mos.experiment.collect import choose, collect
from mini_mos.experiment.place import Place
from mini_mos.experiment.plan import (
    MAIN,
    PHASES,
    TUNE,
    Run,
    make_plan,
    read_ablations,
    write_plan,
)
from mini_mos.experiment.protocol import Protocol, Settings
from mini_mos.experiment.runner import do_runs, estimate, freeze


def _chosen(place: Place) -> Optional[Dict[str, Settings]]:
    path = place.output / "chosen.yaml"
    return read_yaml(path) if path.exists() else None


def plan_of(place: Place, protocol: Protocol) -> List[Run]:
    """Return all runs, tuned once tuning has ended; also written to plan.tsv."""
    ablations = read_ablations(protocol)
    runs = make_plan(protocol, ablations, _chosen(place))
    write_plan(place.output / "plan.tsv", runs)
    return runs


def tell_time(
    place: Place, protocol: Protocol, runs: Sequence[Run], jobs: int
) -> Dict[str, Any]:
    """Log how much is done and how long the rest takes; return the estimate."""
    known = estimate(place, protocol, runs)
    guessed = f" (guessed for {', '.join(known['guessed'])})" * bool(known["guessed"])
    logging.info(
        f"{known['runs_done']} of {counted(known['runs'], 'run')} done in "
        f"{known['hours_done']:.1f} h of runs; left: {known['hours_left']:.1f} h of "
        f"runs, {known['hours_left'] / jobs:.1f} h with --nj {jobs}{guessed}"
    )
    return known


def save_scores(place: Place, protocol: Protocol, runs: Sequence[Run]) -> None:
    """Write scores.json, without needless blanks: it holds every prediction."""
    scores = collect(place, protocol, runs)
    text = json.dumps(scores, allow_nan=False, separators=(",", ":"))
    write_text(place.output / "scores.json", text + "\n")


def conduct(
    place: Place, protocol: Protocol, phases: Sequence[str], jobs: int = 1
) -> None:
    """Do the runs of `phases`, in the order of PHASES; collect scores after each.

    Tuning ends with `chosen.yaml`. Before the final runs their settings are frozen.

    Raises:
        UserError: a phase before its turn, a failed run, or another process at work.
    """
    unknown = sorted(set(phases) - set(PHASES))
    if unknown:
        raise UserError(f"no phase {', '.join(unknown)}; there are {', '.join(PHASES)}")
    with folder_lock(place.output):
        for phase in [p for p in PHASES if p in phases]:
            runs = plan_of(place, protocol)
            own = [run for run in runs if run.phase == phase]
            if phase != TUNE and any(run.settings is None for run in own):
                raise UserError(f"--phases {phase}: do the phase {TUNE} first")
            if phase == MAIN:
                freeze(place, protocol, runs)
            logging.info(f"Phase {phase}: {counted(len(own), 'run')}")
            tell_time(place, protocol, own, jobs)
            do_runs(place, protocol, own, jobs)
            if phase == TUNE:
                chosen = choose(collect(place, protocol, own), protocol)
                if _chosen(place) != chosen:
                    write_yaml(place.output / "chosen.yaml", chosen)
            runs = plan_of(place, protocol)
            save_scores(place, protocol, runs)
            tell_time(place, protocol, runs, jobs)
