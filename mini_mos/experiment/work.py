"""Do the runs of the experiment: prepare data, train, predict, skip what is whole."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    folder_lock,
    read_yaml,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import checkpoint_sha256, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.experiment.frozen import freeze
from mini_mos.experiment.place import (
    MODEL,
    Place,
    recipe_options,
    training_options,
)
from mini_mos.experiment.protocol import FINAL, Protocol, part_of
from mini_mos.experiment.results import (
    DONE,
    Scores,
    collect,
    development_scores,
    identity,
    is_done,
    read_set,
    save_scores,
    token_accuracies,
)
from mini_mos.experiment.runs import (
    Run,
    all_runs,
    arms_of,
    choose,
    needed_recipes,
    request_of,
    runs_of,
)
from mini_mos.experiment.sets import SETS
from mini_mos.warm.call import call
from mini_mos.warm.server import CLIENT, PRODUCTS, warm_python


def made_of(place: Place, protocol: Protocol, part: str) -> Dict[str, Any]:
    """Return the content of what all runs of a part depend on."""
    data: Dict[str, Any] = {}
    for name in SETS[part].every:
        labels, systems = (place.data / name / f for f in ("utt2mos", "utt2sys"))
        for file in (labels, systems):
            if not file.exists():
                raise UserError(f"{file}: no such file; make the sets first")
        # Which clips they are, and what about they are worth: another processor may
        # change the last digits of a label.
        values = read_floats(labels).values()
        mean = sum(values) / len(values)
        data[name] = {"utt2sys": sha256_file(systems), "mean_mos": round(mean, 3)}
    upstream = read_yaml(protocol.upstream)
    path = upstream.get("path_or_url")
    # These are written at their first use, from the seed or the name in `upstream`.
    made = path is None or "random_init" in upstream or "release" in upstream
    return {
        "data": data,
        "upstream": upstream,
        "upstream_sha256": None if made else checkpoint_sha256(path),
    }


def prepare(place: Place, protocol: Protocol, runs: Sequence[Run]) -> None:
    """Format the audio of a part's sets; make frames, tokens and statistics.

    Args:
        place: where.
        protocol: what is asked for.
        runs: of one part.
    """
    part = runs[0].part
    log = place.expdir / part / "logs" / "prepare.log"
    command = [place.python, "-m", "espnet2_distilmos.bin.format_audio", "--data_dirs"]
    command += [str(place.data / name) for name in SETS[part].every]
    command += ["--output_dir", str(place.dump(part) / "raw")]
    call(command, log, place.env)
    # Statistics are of plain tokens and of others alike.
    for recipe in needed_recipes(protocol, runs):
        logging.info(f"Tokens of {part}{' with ' * bool(recipe)}{recipe}: {log}")
        command = recipe_options(place, protocol, part, recipe)
        # Whether there is a token loss, an arm says; tokens are made all the same.
        command += ["--use_tokens", "true", "--train_config", protocol.train_config]
        call([*command, "--stage", "2", "--stop_stage", "4"], log, place.env)


def do_run(place: Place, protocol: Protocol, run: Run, digest: str) -> None:
    """Train and predict; note that it is done.

    A folder of another training is refused by the recipe, which names it.
    """
    folder = place.run_dir(run)
    log = folder / "run.log"
    command = training_options(place, protocol, run)
    call([*command, "--stage", "5", "--stop_stage", "5"], log, place.env)
    raw, names = place.dump(run.part) / "raw", SETS[run.part].scored
    command = [place.python, "-m", "espnet2_distilmos.bin.distilmos_inference"]
    command += ["--config", "conf/inference.yaml", "--ngpu", str(min(place.ngpu, 1))]
    command += ["--root", str(raw), "--data_dirs", *(str(raw / name) for name in names)]
    command += ["--model_file", str(folder / MODEL)]
    command += ["--output_dir", str(place.predictions(run))]
    call(command, log, place.env)
    write_stamp(folder / DONE, {"identity": digest})


def make_rows(place: Place, protocol: Protocol, run: Run) -> None:
    """Make the rows to compare with: those of stage 6, on the sets of a run's part."""
    rows = place.expdir / run.part / "reference_rows"
    wanted = [
        rows / row / name / "utt2mos"
        for row in ("spectral_statistics", *protocol.rows)
        for name in SETS[run.part].judged
    ]
    if all(file.exists() for file in wanted):
        return
    command = training_options(place, protocol, run)
    command += ["--stage", "6", "--stop_stage", "6", "--inference_tag", "inference"]
    call(command, place.expdir / run.part / "logs" / "rows.log", place.env)


def do_runs(
    place: Place,
    protocol: Protocol,
    left: Sequence[Run],
    digests: Mapping[Run, str],
    jobs: int = 1,
) -> None:
    """Prepare the data of runs, all of one part, then do them, `jobs` at a time.

    After a failure no further run is started, those at work may end, and what is done
    stays done.

    Args:
        place: where.
        protocol: what is asked for.
        left: runs that are to do.
        digests: run -> its identity.
        jobs: processes.

    Raises:
        UserError: a run failed, or sets are missing.
    """
    if not left:
        return
    with warm_python(place.expdir) as env:
        # As on a GPU with AMP: a quarter less time where the processor has bfloat16.
        env = {**env, PRODUCTS: "bf16" if place.ngpu == 0 else ""}
        place = replace(place, python=str(CLIENT), env=env)
        prepare(place, protocol, left)
        with ThreadPoolExecutor(jobs) as pool:
            pending = {
                pool.submit(do_run, place, protocol, run, digests[run]): run
                for run in left
            }
            try:
                while pending:
                    ended = wait(pending, return_when=FIRST_EXCEPTION, timeout=60).done
                    for future in ended:
                        future.result()
                        del pending[future]
                    if ended:
                        logging.info(f"{counted(len(pending), 'run')} left")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def conduct(
    place: Place,
    protocol: Protocol,
    phases: Sequence[str],
    jobs: int = 1,
    known: Optional[Scores] = None,
) -> None:
    """Do the runs of `phases` in the order given; note choices and scores after each.

    Before the final runs their settings are frozen.

    Args:
        place: where.
        protocol: what is asked for.
        phases: of the protocol's.
        jobs: runs at once.
        known: what :func:`~.results.collect` has gathered elsewhere.

    Raises:
        UserError: a phase before its turn, a failed run, or another process at work.
    """
    elsewhere = {run["identity"] for run in known["runs"]} if known else set()
    with folder_lock(place.expdir):
        parts = {part_of(phase) for phase in protocol.phases}
        made = {part: made_of(place, protocol, part) for part in parts}
        # Of what is known as well: in a fresh clone nothing has been done here.
        digests, chosen = gather(place, protocol, made, known)

        def is_left(run: Run) -> bool:
            digest = digests[run]
            return digest not in elsewhere and not is_done(place, run, digest)

        for phase in phases:
            runs, whole = runs_of(protocol, phase, chosen), []
            if part_of(phase) == FINAL:
                final = [n for n in protocol.phases if part_of(n) == FINAL]
                # Of all of them: none may be chosen when test sets are known.
                whole = [r for n in final for r in runs_of(protocol, n, chosen)]
                named = {r.name: digests[r] for r in whole}
                tests = {n: read_set(place.data / n) for n in protocol.power.sets}
                freeze(place, protocol, named, tests, known)
            left = [run for run in runs if is_left(run)]
            logging.info(
                f"Phase {phase}: {len(left)} of {counted(len(runs), 'run')} to do"
            )
            try:
                do_runs(place, protocol, left, digests, jobs)
                # Stage 6 shows figures of what it scores: of test sets only when the
                # runs of the hypotheses are done.
                tested = arms_of(protocol.pairs[0], chosen)
                waits = any(is_left(r) for r in whole if r.arm in tested)
                if not waits and is_done(place, runs[0], digests[runs[0]]):
                    make_rows(place, protocol, runs[0])
            finally:  # of a phase that fails, or that Ctrl-C stops, what is done
                digests, chosen = gather(place, protocol, made, known)


def gather(
    place: Place,
    protocol: Protocol,
    made: Mapping[str, Mapping],
    known: Optional[Scores] = None,
) -> Tuple[Dict[Run, str], Dict[str, str]]:
    """Write scores.json of all that is done, and what development has chosen.

    Args:
        place: where.
        protocol: what is asked for.
        made: part -> of :func:`made_of`.
        known: what was gathered elsewhere.

    Returns:
        Run -> its identity, of all runs as far as choices are known; choice -> arm.
    """

    def digests_of(chosen: Mapping[str, str]) -> Dict[Run, str]:
        return {
            run: identity(request_of(protocol, run, made[run.part]))
            for run in all_runs(protocol, chosen)
        }

    # Of the arms that are named: what choices name is known after them.
    scores = collect(place, digests_of({}), known, whole=False)
    chosen = choose(protocol, development_scores(scores), token_accuracies(scores))
    digests = digests_of(chosen)
    scores = {**collect(place, digests, known), "chosen": chosen}
    save_scores(place.expdir / "scores.json", scores)
    return digests, chosen
