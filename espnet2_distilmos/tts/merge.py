"""Joining what several jobs scored of one decode folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, Optional

from espnet2_distilmos.tts.evaluate import (
    MODEL_KEYS,
    PROVENANCE,
    VERSA_KEY,
    Scores,
    default_outdir,
    fingerprint,
    finish,
    utterances,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, folder_lock, read_yaml


def merge(
    path: PathLike,
    parts: Sequence[PathLike],
    outdir: Optional[PathLike] = None,
    jsonl: Optional[PathLike] = None,
) -> Path:
    """Join what several jobs made of parts of a `wav.scp` or folder.

    Args:
        path: the whole list or folder.
        parts: JSON lines of the jobs, each beside its provenance.
        outdir, jsonl: as for :class:`Evaluator`.

    Raises:
        UserError: parts of different models, or not of this list.
    """
    outdir = default_outdir(path) if outdir is None else Path(outdir)
    files = utterances(path)
    found: Dict[str, Optional[float]] = {}
    models: Dict[Path, Dict[str, str]] = {}
    failures: Dict[str, str] = {}
    for part in map(Path, parts):
        try:
            lines = part.read_text(encoding="utf-8").splitlines()
        except OSError as e:
            raise UserError(f"{part}: cannot be read ({e.strerror})") from e
        stamp = read_yaml(part.parent / PROVENANCE)
        models[part] = {key: stamp["request"][key] for key in MODEL_KEYS}
        name = stamp["model"]
        failures.update(stamp["failed"])
        rows = [json.loads(line) for line in lines]
        known = {row["key"]: files.get(row["key"], "") for row in rows}
        if fingerprint(known) != stamp["request"]["audio"]:
            raise UserError(
                f"{part}: of other audio than {path} lists now; did its job fail?"
            )
        for row in rows:
            if row["key"] in found:
                raise UserError(f"{part}: {row['key']} is in another part too")
            found[row["key"]] = row[VERSA_KEY]
    (first, model), *others = models.items()
    for part, other in others:
        if other != model:
            raise UserError(f"{first} and {part}: scores of different models")
    wrong = sorted(set(files) ^ set(found))
    if wrong:
        which = "in no part" if wrong[0] in files else f"not in {path}"
        raise UserError(
            f"{len(wrong)} utterances do not match, e.g. {wrong[0]}: {which}"
        )
    scores = Scores()
    for utt in files:
        if found[utt] is None:
            scores.failed[utt] = failures[utt]
        else:
            scores.mos[utt] = found[utt]
    with folder_lock(outdir):
        request = {**model, "audio": fingerprint(files)}
        finish(outdir, scores, request, name, jsonl)
    return outdir
