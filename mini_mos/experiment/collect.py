"""All results in one JSON file, from which every table and plot is made."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from espnet2_distilmos.report.environment import environment_lines
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.utils.datadir import DataDir, require_same_ids
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from mini_mos.experiment.place import Place
from mini_mos.experiment.plan import DEV_SETS, TUNE, TUNE_VALID, Run
from mini_mos.experiment.protocol import Protocol, Settings
from mini_mos.experiment.runner import RESULT, is_done

Scores = Dict[str, Any]


def prompt_of(utt: str) -> str:
    """Return what is said in a clip of mini_mos, `<speaker>-<system>-<prompt>`.

    Translations of a prompt have the same name and count as one.

    Raises:
        UserError: an ID of another form.
    """
    parts = utt.split("-", 2)
    if len(parts) != 3:
        raise UserError(f"{utt}: not <speaker>-<system>-<prompt>, as in mini_mos")
    return parts[2]


def read_set(folder: PathLike) -> Dict[str, List]:
    """Return utterances of a data directory, and label, system and prompt of each."""
    data = DataDir.load(folder)
    if data.mos is None or data.systems is None:
        raise UserError(f"{folder}: utt2mos and utt2sys are needed")
    return {
        "utts": list(data.wavs),
        "labels": list(data.mos.values()),
        "systems": list(data.systems.values()),
        "prompts": [prompt_of(utt) for utt in data.wavs],
    }


def collect(place: Place, protocol: Protocol, runs: Sequence[Run]) -> Scores:
    """Gather the runs that are done; those that are not are counted.

    Returns:
        `sets`: set -> :func:`read_set`; `runs`: what is in the plan, with predictions
        in the order of the set's utterances; `missing`: names of runs.

    Raises:
        UserError: no run is done, or predictions of other clips than the set has.
    """
    sets: Dict[str, Dict[str, List]] = {}
    found, missing = [], []
    for run in runs:
        if not is_done(place, protocol, run):
            missing.append(run.name)
            continue
        path = place.run_dir(run) / RESULT
        result = json.loads(path.read_text(encoding="utf-8"))
        for name, values in result["predictions"].items():
            if name not in sets:
                sets[name] = read_set(Path("data") / name)
            utts = sets[name]["utts"]
            require_same_ids({f"data/{name}": dict.fromkeys(utts), str(path): values})
            result["predictions"][name] = [values[utt] for utt in utts]
        found.append({**result.pop("run"), "name": run.name, **result})
    if not found:
        raise UserError(f"{place.output}: no run is done yet")
    if missing:
        logging.warning(f"{len(missing)} of {len(runs)} runs are not done yet")
    return {
        "environment": environment_lines(None),
        "sets": sets,
        "runs": found,
        "missing": missing,
    }


def figure_of(scores: Scores, run: Mapping, name: str, metric: str = "srcc"):
    """Return a figure of one run on one set, over utterances; None where undefined."""
    labels = np.array(scores["sets"][name]["labels"])
    return METRICS[metric](labels, np.array(run["predictions"][name]))


def tuning_score(scores: Scores, run: Mapping) -> float:
    """Return what tuning goes by: mean utterance SRCC over its three development sets.

    An undefined one (constant predictions) counts as 0.
    """
    values = [figure_of(scores, run, s) or 0.0 for s in (TUNE_VALID, *DEV_SETS)]
    return float(np.mean(values))


def choose(scores: Scores, protocol: Protocol) -> Dict[str, Settings]:
    """Return model -> settings of its best point of the grid, the first of equals.

    Raises:
        UserError: a point has not been tried with every seed.
    """
    chosen = {}
    for name, model in protocol.models.items():
        means = {}
        for variant in model.variants():
            own = [
                tuning_score(scores, run)
                for run in scores["runs"]
                if (run["phase"], run["model"], run["variant"]) == (TUNE, name, variant)
            ]
            if len(own) != len(protocol.tuning_seeds):
                raise UserError(
                    f"tuning of {name} has not ended ({variant} is missing)"
                )
            means[variant] = float(np.mean(own))
        best = max(means, key=lambda v: means[v])
        chosen[name] = model.variants()[best]
        logging.info(f"{name}: {best} {chosen[name]} ({means[best]:.3f})")
    return chosen
