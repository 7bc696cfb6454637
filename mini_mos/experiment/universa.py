"""Runs of ESPnet's own Uni-VERSA, task `aqa`, on the same data and upstream."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from espnet2_distilmos.utils.datadir import read_floats, read_lines, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, write_text, write_yaml
from mini_mos.experiment.place import Place, call
from mini_mos.experiment.plan import Run
from mini_mos.experiment.predictions import join_sets, share_out
from mini_mos.experiment.protocol import Protocol

METRIC = "mos"
MODEL = "valid.loss.best.pth"


def to_metrics(mos: Mapping[str, float]) -> Dict[str, str]:
    """Return utterance -> JSON, as ESPnet's data type `metric` wants it."""
    return {utt: json.dumps({METRIC: value}) for utt, value in mos.items()}


def from_metrics(path: PathLike) -> Dict[str, float]:
    """Return utterance -> MOS from the `metric.scp` that ESPnet's inference writes.

    Raises:
        UserError: unreadable, or without this metric.
    """

    def convert(text: str) -> float:
        try:
            return float(json.loads(text)[METRIC])
        except (ValueError, KeyError, TypeError) as e:
            raise ValueError(f"{text!r} has no number {METRIC}") from e

    return read_lines(path, convert)


def _own_upstream(protocol: Protocol, conf: Dict[str, Any]) -> Dict[str, Any]:
    upstream = read_yaml(protocol.upstream)
    if upstream.get("path_or_url") is None:
        raise UserError(f"{protocol.upstream}: path_or_url is needed for universa")
    inner = {key: upstream[key] for key in ("upstream", "path_or_url")}
    return {**conf, "frontend_conf": {**conf["frontend_conf"], "frontend_conf": inner}}


def train(place: Place, protocol: Protocol, run: Run, conf: Dict[str, Any]) -> Path:
    """Train and predict; returns the folder with <set>/utt2mos."""
    folder = place.run_dir(run)
    model, log = folder / "model", folder / "log.txt"
    raw = place.dump(run.train_set) / "raw"
    write_yaml(folder / "train.yaml", _own_upstream(protocol, conf))
    write_text(folder / "metric2id", f"{METRIC}\n")
    command = [
        *("python3", "-m", "espnet2.bin.aqa_train"),
        *("--config", folder / "train.yaml"),
        *("--metric2id", folder / "metric2id"),
        *("--use_preprocessor", "true"),
        *("--ngpu", place.ngpu),
        *("--resume", "true"),
        *("--output_dir", model),
    ]
    for part, name in (("train", run.train_set), ("valid", run.valid_set)):
        own = folder / "data" / name
        write_lines(
            own / "metrics.scp", to_metrics(read_floats(raw / name / "utt2mos"))
        )
        stats = ("python3", "-m", "espnet2_distilmos.bin.collect_stats")
        call(place, [*stats, "--data_dir", raw / name, "--output_dir", own], log)
        data = f"--{part}_data_path_and_name_and_type"
        command += [data, f"{raw / name}/wav.scp,audio,sound"]
        command += [data, f"{own}/metrics.scp,metrics,metric"]
        command += [f"--{part}_shape_file", own / "speech_shape"]
    call(place, command, log)
    scored = folder / "all_sets"
    command = [
        *("python3", "-m", "espnet2.bin.aqa_inference"),
        *("--data_path_and_name_and_type", f"{join_sets(place, run)},audio,sound"),
        *("--train_config", model / "config.yaml"),
        *("--model_file", model / MODEL),
        *("--ngpu", min(place.ngpu, 1)),
        *("--output_dir", scored),
    ]
    call(place, command, log)
    return share_out(place, run, from_metrics(scored / "metric.scp"))


def checkpoint(folder: Path) -> Path:
    """Return ESPnet's checkpoint.pth in a run's folder."""
    return folder / "model" / "checkpoint.pth"
