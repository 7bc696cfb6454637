"""Do the runs of a plan: skip what is whole, measure what is done."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Dict

from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_json, write_yaml
from espnet2_distilmos.utils.stamp import (
    checkpoint_sha256,
    is_whole,
    matches,
    write_stamp,
)
from espnet2_distilmos.utils.terminal import counted
from mini_mos.experiment import network, universa
from mini_mos.experiment.place import Place
from mini_mos.experiment.plan import MAIN, Run
from mini_mos.experiment.protocol import DEVELOPMENT, Protocol
from mini_mos.experiment.settings import merged

RESULT = "result.json"
DECIMALS = 4  # of predictions; PESQ itself is no more exact
# Of a training history; the rest (times, rates) is in the logs.
CURVES = ("loss", "mos_loss", "token_loss", "token_acc", "srcc", "sys_srcc", "l1")


def configuration(protocol: Protocol, run: Run) -> Dict[str, Any]:
    """Return what the run is trained with.

    Raises:
        UserError: tuning has not ended yet.
    """
    if run.settings is None:
        raise UserError(f"{run.name}: tuning has not chosen its settings yet")
    model = protocol.models[run.model]
    if model.kind == "spectral":
        return {**run.settings, "seed": run.seed}
    base = read_yaml(model.config)
    # The steps are shared out by the number of clips; the schedule ends with the last.
    steps = protocol.steps_per_epoch[run.size if run.phase == MAIN else DEVELOPMENT]
    schedule = {
        "num_iters_per_epoch": steps,
        "scheduler_conf.max_steps": steps * protocol.budget["max_epoch"],
    }
    return merged(base, protocol.budget, schedule, run.settings, {"seed": run.seed})


def request_of(protocol: Protocol, run: Run) -> Dict[str, Any]:
    """Return everything that the run's results depend on, as plain types."""
    upstream = read_yaml(protocol.upstream)
    path = upstream.get("path_or_url")
    digests = {}
    for name in dict.fromkeys([run.train_set, run.valid_set, *run.sets]):
        for file in ("wav.scp", "utt2mos", "utt2sys"):
            source = Path("data") / name / file
            if not source.exists():
                raise UserError(f"{source}: no such file; make the data sets first")
            digests[f"{name}/{file}"] = sha256_file(source)
    # These are written at their first use, from the seed or the name in `upstream`.
    made = path is None or "random_init" in upstream or "release" in upstream
    return {
        "run": run.to_dict(),
        "configuration": configuration(protocol, run),
        "max_frames": protocol.max_frames,
        "upstream": upstream,
        "upstream_sha256": None if made else checkpoint_sha256(path),
        "data": digests,
    }


def is_done(place: Place, protocol: Protocol, run: Run) -> bool:
    """Tell whether the run is whole and of this very request."""
    if run.settings is None or not place.stamp(run).exists():
        return False
    return matches(place.stamp(run), request_of(protocol, run))


def _spectral(place: Place, run: Run, conf: Mapping[str, Any]) -> Path:
    from espnet2_distilmos.report.trees import predict_from_statistics

    raw = place.dump(run.train_set) / "raw"
    sets = {name: DataDir.load(raw / name) for name in run.sets}
    train = DataDir.load(raw / run.train_set)
    folder = place.run_dir(run) / "predictions"
    for name, values in predict_from_statistics(train, sets, 1, **conf).items():
        write_lines(folder / name / "utt2mos", values)
    return folder


def _history(checkpoint: Path) -> Dict[str, Any]:
    from espnet2_distilmos.train.history import read_history

    return {
        str(epoch): {
            part: {k: round(v, 5) for k, v in values.items() if k in CURVES}
            for part, values in parts.items()
        }
        for epoch, parts in read_history(checkpoint).items()
    }


def do_run(place: Place, protocol: Protocol, run: Run) -> None:
    """Train, predict, keep the result; nothing if that is done."""
    request = request_of(protocol, run)
    another = place.stamp(run).exists()
    if is_whole(place.stamp(run), request):
        return
    if another:
        # Of other settings or data. Trainers go on in a folder with weights, or refuse.
        shutil.rmtree(place.run_dir(run))
    start = time.monotonic()
    kind, conf = protocol.models[run.model].kind, request["configuration"]
    history: Dict[str, Any] = {}
    if kind == "spectral":
        folder = _spectral(place, run, conf)
    else:
        maker = {"network": network, "universa": universa}[kind]
        folder = maker.train(place, protocol, run, conf)
        history = _history(maker.checkpoint(place.run_dir(run)))
    predictions = {name: read_floats(folder / name / "utt2mos") for name in run.sets}
    result = {
        "run": run.to_dict(),
        "seconds": round(time.monotonic() - start, 1),
        "history": history,
        "predictions": {
            name: {utt: round(v, DECIMALS) for utt, v in values.items()}
            for name, values in predictions.items()
        },
    }
    write_json(place.run_dir(run) / RESULT, result)
    write_stamp(place.stamp(run), request, seconds=result["seconds"])


def freeze(place: Place, protocol: Protocol, runs: Sequence[Run]) -> None:
    """Note the final runs before any test set is predicted; refuse others after.

    Raises:
        UserError: test sets were predicted under another plan.
    """
    plan = {r.name: configuration(protocol, r) for r in runs if r.phase == MAIN}
    path = place.output / "frozen.yaml"
    if not path.exists():
        write_yaml(path, {"plan": plan})
    elif read_yaml(path).get("plan") != plan:
        raise UserError(
            f"{path}: test sets were predicted with other settings, and are touched "
            "once; a new experiment needs another --output_dir and new test sets"
        )


def estimate(place: Place, protocol: Protocol, runs: Sequence[Run]) -> Dict[str, Any]:
    """Return hours of one core that `runs` take: done, to do, and how that is known.

    A run that is to do counts as the mean of those of its model that are done, and as
    the protocol's guess where there is none.
    """
    done: Dict[str, list] = {}
    left: Dict[str, int] = {}
    for run in runs:
        if is_done(place, protocol, run):
            seconds = read_yaml(place.stamp(run))["seconds"]
            done.setdefault(run.model, []).append(seconds)
        else:
            left[run.model] = left.get(run.model, 0) + 1
    to_do, guessed = 0.0, []
    for model, count in left.items():
        seconds = 60 * protocol.models[model].minutes
        if model in done:
            seconds = sum(done[model]) / len(done[model])
        else:
            guessed.append(model)
        to_do += count * seconds
    return {
        "runs": len(runs),
        "runs_done": sum(map(len, done.values())),
        "hours_done": sum(map(sum, done.values())) / 3600,
        "hours_left": to_do / 3600,
        "guessed": sorted(guessed),
    }


def do_runs(
    place: Place, protocol: Protocol, runs: Sequence[Run], jobs: int = 1
) -> None:
    """Prepare the data of `runs`, then do them, `jobs` at a time.

    After a failure no further run is started, those at work may end, and what is done
    stays done.

    Raises:
        UserError: a run failed, or settings are missing.
    """
    left = [run for run in runs if not is_done(place, protocol, run)]
    for run in left:
        configuration(protocol, run)  # refuse before anything is made
    for run in network.preparations(left):
        logging.info(f"Preparing {run.train_set} (stages 1 to 3)")
        network.prepare(place, protocol, run)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(do_run, place, protocol, run): run for run in left}
        pending = set(futures)
        try:
            while pending:
                ended, pending = wait(pending, return_when=FIRST_EXCEPTION, timeout=60)
                for future in ended:
                    future.result()
                if ended:
                    logging.info(
                        f"{len(left) - len(pending)} of {counted(len(left), 'run')} "
                        "done"
                    )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
