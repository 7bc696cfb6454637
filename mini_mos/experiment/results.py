"""Results of all runs in one JSON file, from which every table and plot is made."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from espnet2_distilmos.report.environment import environment_lines
from espnet2_distilmos.scoring.metrics import METRICS
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_words
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text
from espnet2_distilmos.utils.stamp import matches
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.outputs import PROMPTS
from mini_mos.experiment.frozen import frozen_plan
from mini_mos.experiment.place import Place
from mini_mos.experiment.protocol import DEVELOPMENT
from mini_mos.experiment.runs import Run
from mini_mos.experiment.sets import FAMILIES, SETS

Scores = Dict[str, Any]
DONE = "done.yaml"  # in the folder of a run that is whole
DECIMALS = 4  # of predictions; PESQ itself is no more exact
NOT_RANKED = ("constant", "system_mean")  # rows of stage 6 that rank no clips
KEPT, ACCURACY = "token_kept", "token_acc"


def read_set(folder: PathLike) -> Dict[str, List]:
    """Return utterances of a data directory, and what is known of each.

    Returns:
        `utts`, `labels`, `systems`, `prompts` and `groups`: the unheard families of
        degradations where these are noted, else the speaker.
    """
    data = DataDir.load(folder)
    if data.mos is None or data.systems is None:
        raise UserError(f"{folder}: utt2mos and utt2sys are needed")
    prompts = read_words(Path(folder) / PROMPTS)
    families = Path(folder) / FAMILIES
    groups = read_words(families) if families.exists() else data.speakers or {}
    return {
        "utts": list(data.wavs),
        "labels": list(data.mos.values()),
        "systems": list(data.systems.values()),
        "prompts": [prompts[utt] for utt in data.wavs],
        "groups": [groups.get(utt, "") for utt in data.wavs],
    }


def identity(request: Mapping[str, Any]) -> str:
    """Return a digest of everything that a run's results depend on."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def collect(
    place: Place,
    wanted: Mapping[Run, str],
    known: Optional[Scores] = None,
    whole: bool = True,
) -> Scores:
    """Gather the runs that are done, here or elsewhere.

    Args:
        place: where.
        wanted: run -> its :func:`identity`.
        known: what was gathered elsewhere, as returned here.
        whole: `wanted` has all runs: a known one that is not among them is told.

    Returns:
        `frozen`: :func:`frozen_plan`, if there is one; `sets`: set -> :func:`read_set`;
        `runs`: a mapping each, with predictions in the order of the set's utterances;
        `rows`: row to compare with -> set -> likewise.
    """
    sets: Dict[str, Dict[str, List]] = {}
    found: List[Dict[str, Any]] = []
    elsewhere = {r["identity"]: r for r in known["runs"]} if known else {}

    def in_order(name: str, file: Path) -> List[float]:
        values, utts = read_floats(file), sets[name]["utts"]
        if absent := [utt for utt in utts if utt not in values]:
            raise UserError(
                f"{file}: no score of {absent[0]}; it is of another corpus: remove it, "
                "or give another --expdir"
            )
        return [round(values[utt], DECIMALS) for utt in utts]

    def read_sets(part: str) -> None:
        for name in SETS[part].scored:
            if name not in sets:
                sets[name] = read_set(place.data / name)

    for run, digest in wanted.items():
        done = is_done(place, run, digest)
        if not done and digest not in elsewhere:
            continue
        read_sets(run.part)
        if not done:
            found.append({**elsewhere[digest]})
            continue
        predictions = {
            name: in_order(name, place.predictions(run) / name / "utt2mos")
            for name in SETS[run.part].scored
        }
        found.append(
            {
                "part": run.part,
                "arm": run.arm,
                "seed": run.seed,
                "identity": digest,
                "tokens": _tokens(place, run),
                "predictions": predictions,
            }
        )
    plan = frozen_plan(place, known)
    planned = set(plan["runs"].values()) if plan else set()
    taken = {run["identity"] for run in found}
    # What was planned is never lost.
    for digest in sorted((elsewhere.keys() & planned) - taken):
        read_sets(elsewhere[digest]["part"])
        found.append({**elsewhere[digest]})
    left_out = sorted(elsewhere.keys() - planned - taken)
    if left_out and whole:
        names = [f"{elsewhere[d]['arm']} seed {elsewhere[d]['seed']}" for d in left_out]
        logging.warning(
            f"{counted(len(names), 'known run')} of other settings, labels or upstream "
            f"left out: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
        )
    rows: Dict[str, Dict[str, List[float]]] = {}
    for row, of_sets in known["rows"].items() if known else ():
        rows[row] = {name: v for name, v in of_sets.items() if name in sets}
    for name in sets:
        for file in sorted(place.expdir.glob(f"*/reference_rows/*/{name}/utt2mos")):
            row = file.parts[-3]
            if row not in NOT_RANKED:
                rows.setdefault(row, {})[name] = in_order(name, file)
    return {
        **({} if plan is None else {"frozen": plan}),
        "environment": environment_lines(None),
        "sets": sets,
        "runs": found,
        "rows": rows,
    }


def is_done(place: Place, run: Run, digest: str) -> bool:
    """Tell whether a run of this very :func:`identity` is whole here."""
    return matches(place.run_dir(run) / DONE, {"identity": digest})


def _tokens(place: Place, run: Run) -> Dict[str, float]:
    """Return what validation told of the tokens when the checkpoint was chosen."""
    history = read_history(place.run_dir(run) / "checkpoint.pth")
    best = max(history, key=lambda epoch: history[epoch]["valid"]["srcc"])
    figures = history[best]["valid"]
    known = {k: round(figures[k], 4) for k in (KEPT, ACCURACY) if k in figures}
    return {"epoch": best, **known}


def figure_of(
    scores: Scores, predictions: Mapping[str, Sequence[float]], name: str
) -> float:
    """Return the utterance SRCC on a set; of constant predictions 0."""
    labels = np.array(scores["sets"][name]["labels"])
    return METRICS["srcc"](labels, np.array(predictions[name])) or 0.0


def development_scores(scores: Scores) -> Dict[str, Dict[int, float]]:
    """Return arm -> seed -> what is chosen by: mean SRCC of the two judged sets."""
    judged = SETS[DEVELOPMENT].judged
    found: Dict[str, Dict[int, float]] = {}
    for run in scores["runs"]:
        if run["part"] == DEVELOPMENT:
            values = [figure_of(scores, run["predictions"], s) for s in judged]
            found.setdefault(run["arm"], {})[run["seed"]] = sum(values) / len(values)
    return found


def token_accuracies(scores: Scores) -> Dict[str, Dict[int, float]]:
    """Return arm -> seed -> share of the tokens that the heads tell in development."""
    found: Dict[str, Dict[int, float]] = {}
    for run in scores["runs"]:
        if run["part"] == DEVELOPMENT and ACCURACY in run["tokens"]:
            found.setdefault(run["arm"], {})[run["seed"]] = run["tokens"][ACCURACY]
    return found


def save_scores(path: PathLike, scores: Scores) -> None:
    """Write scores.json, without needless blanks: it holds every prediction."""
    write_text(path, json.dumps(scores, allow_nan=False, separators=(",", ":")) + "\n")


def read_scores(path: PathLike) -> Scores:
    """Read what :func:`collect` has gathered.

    Raises:
        UserError: no such file, or not one of these.
    """
    what = "the scores of an experiment"
    found = read_results(path, what, ("environment", "sets", "runs", "rows"))
    of_run = ("part", "arm", "seed", "identity", "tokens", "predictions")
    for run in found["runs"]:
        if not isinstance(run, dict) or not set(of_run) <= set(run):
            raise UserError(f"{path}: not {what}: a run needs " + ", ".join(of_run))
    return found


def read_results(path: PathLike, what: str, keys: Sequence[str]) -> Dict[str, Any]:
    """Read a JSON object with `keys`; `what` says in errors what it should be.

    Raises:
        UserError: no such file, or not one of these.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        for key in keys:
            found[key]
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{path}: not {what} ({type(e).__name__}: {e})") from e
    return found
