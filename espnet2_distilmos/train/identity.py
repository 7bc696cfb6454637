"""What decides the weights of a training, by content and in named parts.

Imports neither torch nor ESPnet: the recipe asks often whether a training is whole.
"""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from espnet2_distilmos.model.upstream.config import (
    NO_WEIGHTS_KEYS,
    RECORD_DEFAULTS,
    UpstreamConfig,
    without_freeze_cnn,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, sha256_file
from espnet2_distilmos.utils.stamp import (
    FORMAT_STAMP,
    checkpoint_sha256,
    differences,
    digest_of,
    fingerprint,
)

# (path, name, type), as in ESPnet's --train_data_path_and_name_and_type
Triple = Tuple[str, str, str]

# Options that do not decide the weights. Every other one does, also those that a later
# ESPnet adds: a training that is refused for nothing costs a --tag, one that is taken
# for another costs the truth of every figure.
NOT_DECIDING = (
    # Where things lie and what they are called. What lies there is compared.
    *("config", "output_dir", "upstream_config", "token_provenance"),
    *("train_data_path_and_name_and_type", "valid_data_path_and_name_and_type"),
    *("train_shape_file", "valid_shape_file", "required", "version"),
    # Compared as parts of their own, see training_request.
    *("upstream_conf", "token_conf", "ngpu", "num_threads", "init_param"),
    "deepspeed_config",
    # How long the training is: more epochs go on from where it stands (see fits_steps).
    *("max_epoch", "patience"),
    # Filled in by the task, from data and an upstream that are compared.
    *("corpora", "crop_unit"),
    # What is said of the labels.
    "label_conf",
    # What is measured in validation.
    "token_kept",
    # What is told, drawn and logged.
    *("log_level", "log_interval", "num_att_plot", "use_matplotlib", "use_tensorboard"),
    *("create_graph_in_tensorboard", "use_wandb", "wandb_project", "wandb_id"),
    *("wandb_entity", "wandb_name", "wandb_model_log_interval"),
    *("wandb_allow_val_change", "detect_anomaly", "print_config"),
    # How data reaches the trainer.
    *("num_workers", "max_cache_size", "max_cache_fd", "valid_max_cache_size"),
    # How processes find each other; their number is compared.
    *("dist_backend", "dist_init_method", "dist_world_size", "dist_rank", "local_rank"),
    *("dist_master_addr", "dist_master_port", "dist_launcher", "distributed"),
    "multiprocessing_distributed",
    # What is done besides, or instead.
    *("resume", "dry_run", "collect_stats", "write_collected_feats"),
)

# `max_steps` of scheduler_conf: as many as the training has.
AUTO = "auto"

# What the data that a training reads is called in messages.
_CALLED = {
    "speech": "audio",
    "mos": "labels",
    "system": "systems",
    "corpus": "corpora",
    "scores": "labels on further scales",
}
# ESPnet looks for it beside the first data file, and makes other batches of it.
_CATEGORIES = "utt2category"


def training_request(
    args: Mapping[str, Any], processes: int, upstream_where: str = "--upstream_conf"
) -> Dict[str, Any]:
    """Return everything that decides the weights of a training, as plain types.

    The number of processes is a part of it, and whether they use GPUs: each draws its
    own dropout masks, and sums are shared out among them. So is, on a CPU, the number
    of threads; and the number of epochs where :func:`fits_steps` finds that it counts.

    Args:
        args: parsed options of `distilmos_train`, before the task fills in more.
        processes: that train together.
        upstream_where: what errors call the upstream's configuration.

    Raises:
        UserError: a file that is not there or is no YAML.
    """
    gpu = args["ngpu"] > 0
    upstream = args["upstream_conf"]
    if args["upstream_config"] is not None:
        upstream_where = args["upstream_config"]
        upstream = {**read_yaml(upstream_where), **upstream}
    parts = {
        part: (
            args[f"{part}_data_path_and_name_and_type"],
            args[f"{part}_shape_file"],
        )
        for part in ("train", "valid")
    }
    files = [str(spec).split(":")[0] for spec in args["init_param"]]
    return {
        "data": data_request(parts),
        "tokens": _token_request(args),
        "upstream": upstream_request(upstream, upstream_where),
        "options": {
            **{
                name: plain(value)
                for name, value in sorted(args.items())
                if name not in NOT_DECIDING
            },
            # Of `FILE:FROM:TO:WITHOUT` the file counts by its content.
            "init_param": {
                " ".join([f"{i}", *str(spec).split(":")[1:]]): sha256_file(file)
                for i, (file, spec) in enumerate(zip(files, args["init_param"]), 1)
            },
            "deepspeed_config": (
                sha256_file(args["deepspeed_config"])
                if args.get("deepspeed_config")
                else None
            ),
            "device": "gpu" if gpu else "cpu",
            "processes": processes,
            "num_threads": None if gpu else args["num_threads"],
            **({"max_epoch": args["max_epoch"]} if fits_steps(args) else {}),
        },
    }


def fits_steps(args: Mapping[str, Any]) -> bool:
    """Tell whether steps are counted by the number of epochs: `tasks/from_data.py`."""
    schedule = args.get("scheduler_conf") or {}
    return (args.get("min_steps") or 0) > 0 or schedule.get("max_steps") == AUTO


def plain(value: Any) -> Any:
    """Return a value as YAML keeps it; a list of one is that one."""
    if isinstance(value, (list, tuple)):
        values = [plain(v) for v in value]
        return values[0] if len(values) == 1 else values
    if isinstance(value, dict):
        return {str(key): _inner(v) for key, v in value.items()}
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)


def _inner(value: Any) -> Any:
    """Return the same, but inside a mapping a list stays a list: `strides: [1]`."""
    return (
        [_inner(v) for v in value] if isinstance(value, (list, tuple)) else plain(value)
    )


def _token_request(args: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what the token heads are made after; the tokens themselves are data."""
    found = args["token_conf"]
    if args["token_provenance"] is not None:
        found = read_yaml(args["token_provenance"])
    if not found:
        return {}
    return {
        "n_clusters": found.get("n_clusters"),
        "n_codebooks": found.get("n_codebooks", 1),
        "layers": found.get("layers"),
        # Not there otherwise, as before there was a choice.
        **({"standardize_states": True} if found.get("standardize_states") else {}),
    }


def upstream_request(conf: Mapping[str, Any], where: str) -> Dict[str, Any]:
    """Return an upstream's configuration, its path replaced by the file's SHA-256.

    One that has a name only (S3PRL, a hub) is known by that here; its weights are
    compared when they are loaded (:func:`~.record.confirm_weights`).
    """
    if not conf:
        return {}
    full = UpstreamConfig.from_dict(conf, where).to_dict()
    path = full["path_or_url"]
    weights = checkpoint_sha256(path)
    # These are written at their first use; until then a recipe or name stands for them.
    if weights is None:
        weights = full["random_init"] or full["release"]
    return {
        **{k: plain(v) for k, v in full.items() if k not in NO_WEIGHTS_KEYS},
        "layers": full["layers"],
        "weights": path if weights is None else weights,
    }


def data_request(
    parts: Mapping[str, Tuple[Sequence[Triple], Sequence[str]]],
) -> Dict[str, str]:
    """Return `labels of train` and the like -> a digest of the content.

    Args:
        parts: `train` and `valid` -> data files and shape files (IDs and lengths, which
            decide the batches).
    """
    found: Dict[str, str] = {}
    for part, (triples, shapes) in parts.items():
        for path, name, kind in triples:
            found[f"{_CALLED.get(name, name)} of {part}"] = content(path, kind)
        if triples:
            categories = Path(triples[0][0]).parent / _CATEGORIES
            if categories.is_file():
                found[f"{_CATEGORIES} of {part}"] = _text(str(categories))
        if shapes:
            found[f"clips of {part}"] = digest_of(_text(path) for path in shapes)
    return found


def content(path: str, kind: str) -> str:
    """Return a digest of what a data file holds or names, wherever that lies.

    Args:
        path: `wav.scp`, `tokens.scp`, `utt2mos`...
        kind: how ESPnet reads it: `sound`, `kaldi_ark`, `text_float`...
    """
    if kind == "sound":
        return _audio(path)
    if kind == "kaldi_ark":
        return _ark(path)
    return _text(path, number=kind == "text_float")


def _lines(path: str) -> Iterable[Tuple[str, str]]:
    """Return (ID, the rest with single blanks), in the order of the IDs."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            rows = [line.split(maxsplit=1) for line in f if line.strip()]
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    return sorted((row[0], " ".join("".join(row[1:]).split())) for row in rows)


def _text(path: str, number: bool = False) -> str:
    def value(text: str) -> str:
        try:
            return repr(float(text)) if number else text
        except ValueError:  # the trainer will say so
            return text

    return digest_of(f"{utt} {value(text)}" for utt, text in _lines(path))


def _audio(path: str) -> str:
    """Digest the samples, as stage 1 has noted them; else the files."""
    stamp = Path(path).parent / FORMAT_STAMP
    known = read_yaml(stamp) if stamp.exists() else {}
    samples, scp = known.get("audio_sha256"), known.get("wav_scp_sha256")
    # An edited list is noticed (an earlier version did not note what it wrote).
    if samples is None or (scp is not None and scp != sha256_file(path)):
        return fingerprint(dict(_lines(path)))
    # The samples were noted before they were levelled.
    level = (known.get("request") or {}).get("level_db")
    return digest_of([str(samples), *([] if level is None else [str(level)])])


def _ark(path: str) -> str:
    """Digest matrices in Kaldi arks: `ID FILE:OFFSET`."""
    places: Dict[str, int] = {}
    lines: List[str] = []
    for utt, place in _lines(path):
        file, _, offset = place.rpartition(":")
        if not file or not offset.isdigit():  # a file of its own
            file, offset = place, ""
        number = places.setdefault(file, len(places))
        lines.append(f"{utt} {number}:{offset}")
    return digest_of([*lines, *map(sha256_file, places)])


def request_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], defaults: Mapping[str, Any]
) -> List[str]:
    """Return what differs between two trainings, in words for a message.

    Args:
        old: from :func:`training_request`, perhaps of an earlier version.
        new: likewise.
        defaults: of all options: one that was not there yet had no other value.
    """
    upstream = without_freeze_cnn(old.get("upstream", {}), "the training's record")
    for key in new["upstream"].keys() & RECORD_DEFAULTS:
        upstream.setdefault(key, RECORD_DEFAULTS[key])
    old_options = {
        **{k: plain(defaults[k]) for k in new["options"] if k in defaults},
        **old.get("options", {}),
    }
    return [
        *differences(old.get("data", {}), new["data"]),
        *differences(upstream, new["upstream"], "upstream"),
        *differences(old.get("tokens", {}), new["tokens"], "tokens"),
        *differences(old_options, new["options"]),
    ]
