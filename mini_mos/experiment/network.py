"""Runs of the recipe itself: `distilmos.sh` with a configuration of the run's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.files import write_yaml
from mini_mos.experiment.place import Place, call
from mini_mos.experiment.plan import Run
from mini_mos.experiment.predictions import join_sets, share_out
from mini_mos.experiment.protocol import Protocol

TAG = "model"
MODEL = "valid.srcc.best.pth"


def _common(place: Place, protocol: Protocol, run: Run) -> List[object]:
    options: List[object] = [
        "./distilmos.sh",
        *("--ngpu", place.ngpu),
        *("--nj", 1, "--inference_nj", 1),
        *("--python", "python3"),
        *("--upstream", protocol.upstream),
        *("--max_frames", protocol.max_frames),
        *("--train_set", run.train_set),
        *("--valid_set", run.valid_set),
        *("--dumpdir", place.dump(run.train_set)),
        *("--use_tokens", "false" if run.recipe is None else "true"),
        *("--level_sets", "none"),
        *("--reference_rows", "false"),
    ]
    for name, value in (run.recipe or {}).items():
        options += [f"--{name}", value]
    return options


def prepare(place: Place, protocol: Protocol, run: Run) -> None:
    """Run stages 1 to 3: audio, frames and tokens of the run's training set.

    What is whole is left as it is. Not side by side for one training set.
    """
    more = [s for s in run.sets if s != run.valid_set]
    command = [
        *_common(place, protocol, run),
        *("--stage", 1, "--stop_stage", 3),
        *("--test_sets", " ".join(more)),
    ]
    if place.local_data_opts:
        command += ["--local_data_opts", place.local_data_opts]
    call(place, command, place.output / "logs" / f"prepare-{run.train_set}.log")


def preparations(runs: Iterable[Run]) -> List[Run]:
    """Return one run for each combination of data and clusters to prepare."""
    first: Dict[tuple, Run] = {}
    for run in runs:
        options = None if run.recipe is None else tuple(run.recipe.items())
        first.setdefault((run.train_set, options), run)
    # Audio alone is prepared along with any tokens of the same training set.
    with_tokens = {run.train_set for run in first.values() if run.recipe is not None}
    return [
        run
        for run in first.values()
        if run.recipe is not None or run.train_set not in with_tokens
    ]


def train(place: Place, protocol: Protocol, run: Run, conf: Dict[str, Any]) -> Path:
    """Run stages 4 and 5 and predict; return the folder with <set>/utt2mos.

    Not stage 6: all runs are scored and compared together, when they are done.
    """
    folder, log = place.run_dir(run), place.run_dir(run) / "log.txt"
    write_yaml(folder / "train.yaml", conf)
    command = [
        *_common(place, protocol, run),
        *("--stage", 4, "--stop_stage", 5),
        *("--test_sets", " ".join(run.sets)),
        *("--train_config", folder / "train.yaml"),
        *("--expdir", folder),
        *("--tag", TAG),
    ]
    call(place, command, log)
    scored = folder / "all_sets"
    command = [
        *("python3", "-m", "espnet2_distilmos.bin.distilmos_inference"),
        *("--config", "conf/inference.yaml"),
        *("--ngpu", min(place.ngpu, 1)),
        *("--data_path_and_name_and_type", f"{join_sets(place, run)},speech,sound"),
        *("--model_file", folder / f"mos_{TAG}" / MODEL),
        *("--output_dir", scored),
    ]
    call(place, command, log)
    return share_out(place, run, read_floats(scored / "utt2mos"))


def checkpoint(folder: Path) -> Path:
    """Return ESPnet's checkpoint.pth in a run's folder."""
    return folder / f"mos_{TAG}" / "checkpoint.pth"
