"""`training.yaml`: what the weights in an experiment's folder come from.

Written before a training begins. While there is a checkpoint beside it, only the same
training goes on there; ESPnet alone would go on with any, and write the new settings
beside the old weights.
"""

import contextlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from espnet2_distilmos.train.identity import request_differences
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, sha256_file, write_yaml
from espnet2_distilmos.utils.stamp import write_stamp
from espnet2_distilmos.utils.terminal import counted

RECORD = "training.yaml"
SHOWN = 6  # differences in a message
_MADE_BY = ("espnet", "torch", "espnet-s3prl", "transformers", "espnet2-distilmos")


def ways_out(folder: PathLike) -> str:
    """Return what can be done where a folder holds something else."""
    return (
        f"train under another --tag (distilmos train: another --output_dir), or remove "
        f"{folder}"
    )


def read_record(folder: PathLike) -> Optional[Dict[str, Any]]:
    """Return the record of a folder; None if there is none, or no weights beside it.

    Raises:
        UserError: weights without a record, or one that cannot be read.
    """
    folder = Path(folder)
    if not any(folder.glob("*.pth")):
        return None
    if not (folder / RECORD).exists():
        raise UserError(
            f"{folder}: holds weights but no {RECORD} (an earlier version wrote none), "
            "so that nobody can tell what they were trained on; "
            f"{ways_out(folder)}; to score them as they are, begin with stage 6"
        )
    record = read_yaml(folder / RECORD)
    if not isinstance(record.get("request"), dict):
        raise UserError(
            f"{folder / RECORD}: not the record of a training; {ways_out(folder)}"
        )
    return record


def require_same(
    folder: PathLike, request: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Optional[Dict[str, Any]]:
    """Refuse another training than the one whose weights are in `folder`.

    Args:
        folder: of the experiment.
        request: from :func:`~.identity.training_request`.
        defaults: of all options.

    Returns:
        The folder's record; None where there are no weights yet.

    Raises:
        UserError: names what differs and the ways out; see also :func:`read_record`.
    """
    record = read_record(folder)
    if record is None:
        return None
    # A record of an earlier version has its epochs here alone.
    length = {"max_epoch": (record.get("length") or {}).get("max_epoch")}
    found = request_differences(record["request"], request, {**defaults, **length})
    if found:
        more = "" if len(found) <= SHOWN else f"; and {len(found) - SHOWN} more"
        raise UserError(
            f"{folder}: holds weights of another training, which differs in "
            f"{'; '.join(found[:SHOWN])}{more}; {ways_out(folder)}"
        )
    return record


def whole(
    folder: PathLike, record: Mapping[str, Any], max_epoch: int, patience: Optional[int]
) -> Optional[str]:
    """Say that a training has nothing left to do; None where it has.

    More epochs than were made, or more patience than they ended with, go on.

    Args:
        folder: of the experiment.
        record: its record.
        max_epoch: that are asked for now.
        patience: likewise; None = no early stopping.
    """
    epochs, length = record.get("epochs"), record.get("length") or {}
    if not isinstance(epochs, int) or not are_there(folder, record):
        return None
    before = length.get("patience")
    ended_early = epochs < (length.get("max_epoch") or 0)
    impatient = before is not None and patience is not None and patience <= before
    if max_epoch > epochs and not (ended_early and impatient):
        return None
    asked_for = f", {max_epoch} asked for" if max_epoch < epochs else ""
    return f"already trained, nothing to do ({counted(epochs, 'epoch')}{asked_for})"


def are_there(folder: PathLike, record: Mapping[str, Any]) -> bool:
    """Tell whether all that a training left is still there."""
    folder, models = Path(folder), record.get("models")
    return (folder / "config.yaml").is_file() and all(
        (folder / name).is_file() for name in (models or ["checkpoint.pth"])
    )


def begin(
    folder: PathLike,
    request: Dict[str, Any],
    max_epoch: int,
    patience: Optional[int],
    asked: str,
    before: Optional[Mapping[str, Any]] = None,
) -> None:
    """Write the record of a training that is about to begin, or to go on.

    Args:
        folder: of the experiment.
        request: what decides the weights.
        max_epoch: its length.
        patience: likewise.
        asked: digest of the command line (:func:`~.quick.asked`).
        before: record of what goes on here, if something does.
    """
    more = {}
    if before is not None and "upstream_weights_sha256" in before:
        more["upstream_weights_sha256"] = before["upstream_weights_sha256"]
    versions = {}
    for package in _MADE_BY:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    write_stamp(
        Path(folder) / RECORD,
        request,
        length={"max_epoch": max_epoch, "patience": patience},
        asked=asked,
        made_by=versions,
        **more,
    )


def change(folder: PathLike, **values: Any) -> None:
    """Write some values of a record anew."""
    path = Path(folder) / RECORD
    write_yaml(path, {**read_yaml(path), **values})


def confirm_weights(folder: PathLike, sha256: str, first: bool) -> None:
    """Compare the upstream's pretrained weights, now that they are loaded.

    A name can come to mean other weights, and a file is known only by its bytes.

    Args:
        folder: of the experiment; nothing is done where it has no record.
        sha256: over the weights.
        first: whether this process writes the record.

    Raises:
        UserError: the training that goes on here began with others.
    """
    folder = Path(folder)
    if not (folder / RECORD).exists():
        return
    known = read_yaml(folder / RECORD).get("upstream_weights_sha256")
    if known == sha256:
        return
    if known is not None and any(folder.glob("*.pth")):
        raise UserError(
            f"{folder}: holds weights of another training, which differs in the "
            f"pretrained weights of the upstream; {ways_out(folder)}"
        )
    if first:
        change(folder, upstream_weights_sha256=sha256)


def end(folder: PathLike, max_epoch: int) -> None:
    """Note that a training has ended, in which epoch, and the SHA-256 of its models."""
    folder = Path(folder)
    latest = folder / "latest.pth"
    epochs = max_epoch
    if latest.is_symlink():
        number = os.readlink(latest).removesuffix("epoch.pth")
        epochs = int(number) if number.isdecimal() else max_epoch
    models = {
        path.name: sha256_file(path)
        for path in sorted(folder.glob("*.pth"))
        # Links of other criteria than those in use can have lost their epoch.
        if path.name != "checkpoint.pth" and path.is_file()
    }
    change(folder, epochs=epochs, models=models)
