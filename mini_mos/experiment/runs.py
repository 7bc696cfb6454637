"""Every run of the experiment, and what development has chosen."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from mini_mos.experiment.protocol import Protocol, part_of


@dataclass(frozen=True)
class Run:
    """One training, and what it is judged on.

    Attributes:
        part: `development` or `final`.
        arm: a name of the protocol's.
        seed: of the training.
    """

    part: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Return the suffix of its folder."""
        return f"{self.arm}_s{self.seed}"


def runs_of(
    protocol: Protocol, phase: str, chosen: Mapping[str, str], missing_ok: bool = False
) -> List[Run]:
    """Return the runs of a phase: all arms with the first seed, then with the next.

    Args:
        protocol: what is asked for.
        phase: of the protocol's.
        chosen: choice -> arm, as far as it is known.
        missing_ok: leave out what is not chosen yet.

    Raises:
        UserError: no such phase, or a choice that is not made.
    """
    if phase not in protocol.phases:
        raise UserError(f"no phase {phase}; there are {', '.join(protocol.phases)}")
    arms = []
    for name in protocol.phases[phase].arms:
        arm = chosen.get(name) if name in protocol.choices else name
        if arm in protocol.arms:
            arms.append(arm)
        elif not missing_ok:
            raise UserError(
                f"phase {phase}: {name} is not chosen; do what comes before"
            )
    arms = list(dict.fromkeys(arms))  # a choice may be an arm that is named as well
    return [
        Run(part_of(phase), arm, seed)
        for seed in protocol.phases[phase].seeds
        for arm in arms
    ]


def arms_of(pair: Sequence[str], chosen: Mapping[str, str]) -> Tuple[str, str]:
    """Return the arms that a pair of the protocol stands for."""
    a, b = (chosen.get(name, name) for name in pair)
    return a, b


def all_runs(protocol: Protocol, chosen: Mapping[str, str]) -> List[Run]:
    """Return the runs of all phases, each once, as far as choices are known."""
    phases = (runs_of(protocol, p, chosen, missing_ok=True) for p in protocol.phases)
    return list(dict.fromkeys(run for runs in phases for run in runs))


def train_args(protocol: Protocol, run: Run) -> str:
    """Return the options that the run's training is given."""
    steps = protocol.steps[run.part]
    arm = protocol.arms[run.arm]
    # The schedule ends with the last step of the configuration's four epochs.
    schedule = f"--num_iters_per_epoch {steps} --scheduler_conf max_steps={4 * steps}"
    tokens = "--token_kept true" if arm.tokens else "--loss_conf token_weight=0"
    return f"--seed {run.seed} {schedule} {tokens} {arm.args}".rstrip()


def choose(
    protocol: Protocol,
    scores: Mapping[str, Mapping[int, float]],
    accuracies: Mapping[str, Mapping[int, float]],
) -> Dict[str, str]:
    """Return choice -> its best arm, of choices whose arms have all been tried.

    A choice none of whose arms has learned the tokens stays open.

    Args:
        protocol: the choices; the seeds that count are those of the phase of the arm.
        scores: arm -> seed -> mean SRCC over the development sets.
        accuracies: likewise of arms with tokens, the share that the heads tell.
    """
    chosen = {}
    for choice, arms in protocol.choices.items():
        means = {arm: _mean(protocol, arm, scores.get(arm, {})) for arm in arms}
        known = {arm: mean for arm, mean in means.items() if mean is not None}
        if len(known) < len(arms):
            continue
        figures = ", ".join(f"{arm} {mean:.4f}" for arm, mean in known.items())
        least = protocol.least_token_acc
        for arm in [a for a in arms if protocol.arms[a].tokens]:
            if (_mean(protocol, arm, accuracies.get(arm, {})) or 0.0) < least:
                logging.info(f"{arm}: its heads tell less than {least} of the tokens")
                del known[arm]
        if known:
            chosen[choice] = max(known, key=lambda arm: known[arm])
        logging.info(f"{choice}: {chosen.get(choice, 'no arm')} ({figures})")
    return chosen


def _mean(
    protocol: Protocol, arm: str, by_seed: Mapping[int, float]
) -> Optional[float]:
    """Return the mean over the seeds of the arm's own phase; None if one is missing."""
    for phase in protocol.phases.values():
        if arm in phase.arms:
            if all(seed in by_seed for seed in phase.seeds):
                return float(np.mean([by_seed[seed] for seed in phase.seeds]))
            return None
    return None


def needed_recipes(protocol: Protocol, runs: Sequence[Run]) -> List[str]:
    """Return the different ways in which the tokens of `runs` are made."""
    return sorted({protocol.arms[run.arm].recipe for run in runs})


def request_of(protocol: Protocol, run: Run, made: Mapping[str, Any]) -> Dict[str, Any]:
    """Return everything that the run's results depend on, as plain types.

    Args:
        protocol: what is asked for.
        run: one of its runs.
        made: content of the data and of the upstream.
    """
    arm = protocol.arms[run.arm]
    return {
        "part": run.part,
        "config": read_yaml(arm.config or protocol.train_config),
        "args": train_args(protocol, run),
        "recipe": arm.recipe,
        "n_clusters": protocol.n_clusters,
        "max_frames": protocol.max_frames,
        **made,
    }
