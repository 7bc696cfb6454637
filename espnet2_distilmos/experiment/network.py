"""Runs of the recipe itself: `distilmos.sh` with a configuration of the run's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.experiment.place import Place, call
from espnet2_distilmos.experiment.plan import Run
from espnet2_distilmos.experiment.protocol import Protocol
from espnet2_distilmos.utils.files import write_yaml

TAG, INFERENCE = "model", "inference"


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
        *("--use_tokens", "false" if run.n_clusters is None else "true"),
        *("--level_sets", "none"),
        *("--reference_rows", "false"),
    ]
    if run.n_clusters is not None:
        options += ["--n_clusters", run.n_clusters]
    return options


def prepare(place: Place, protocol: Protocol, run: Run) -> None:
    """Stages 1 to 3: audio, frames and tokens of the run's training set.

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
    """One run for each combination of data and clusters that has to be prepared."""
    first: Dict[tuple, Run] = {}
    for run in runs:
        first.setdefault((run.train_set, run.n_clusters), run)
    # Audio alone is prepared along with any tokens of the same training set.
    with_tokens = {t for t, k in first if k is not None}
    return [
        run for (t, k), run in first.items() if k is not None or t not in with_tokens
    ]


def train(place: Place, protocol: Protocol, run: Run, conf: Dict[str, Any]) -> Path:
    """Stages 4 to 6; returns the folder with <set>/utt2mos."""
    folder = place.run_dir(run)
    write_yaml(folder / "train.yaml", conf)
    command = [
        *_common(place, protocol, run),
        *("--stage", 4, "--stop_stage", 6),
        *("--test_sets", " ".join(run.sets)),
        *("--train_config", folder / "train.yaml"),
        *("--expdir", folder),
        *("--tag", TAG),
        *("--inference_tag", INFERENCE),
    ]
    call(place, command, folder / "log.txt")
    return folder / f"mos_{TAG}" / INFERENCE


def checkpoint(folder: Path) -> Path:
    """ESPnet's checkpoint.pth in a run's folder."""
    return folder / f"mos_{TAG}" / "checkpoint.pth"
