"""One decode folder shared out over jobs, and what they scored joined."""

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.tts.evaluate import (
    Evaluator,
    default_outdir,
    evaluate,
    utterances,
)
from espnet2_distilmos.tts.results import (
    MODEL_KEYS,
    PROVENANCE,
    VERSA_KEY,
    Scores,
    finish,
    read_stamp,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, folder_lock
from espnet2_distilmos.utils.stamp import fingerprint
from espnet2_distilmos.utils.terminal import counted


class FolderJobs:
    """One decode folder: :meth:`run` in each job, then :meth:`combine`.

    A job keeps what it scored in `<outdir>/log/distilmos/output.<job>/`.

    Args:
        path: folder of audio, or a Kaldi list of it.
        nj: number of jobs.
        outdir: as for :class:`~espnet2_distilmos.tts.evaluate.Evaluator`.
        jsonl: likewise.
        model: its other arguments.

    Raises:
        UserError: see :func:`~espnet2_distilmos.tts.evaluate.utterances`.
    """

    def __init__(
        self,
        path: PathLike,
        nj: int,
        outdir: Optional[PathLike] = None,
        jsonl: Optional[PathLike] = None,
        **model: Any,
    ):
        self.path, self.jsonl, self.model = path, jsonl, model
        self.outdir = default_outdir(path) if outdir is None else Path(outdir)
        self.files = utterances(path)
        self.nj = min(nj, len(self.files))

    def _part(self, job: int) -> Path:
        return self.outdir / "log/distilmos" / f"output.{job}" / "scores.jsonl"

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Score every nj-th clip, from clip `job` on.

        Raises:
            UserError: clips without a score, when all others are scored.
        """
        if job > self.nj:
            logging.info(f"job {job}: nothing to do, of {counted(self.nj, 'clip')}")
            return
        part = self._part(job)
        files = dict(list(self.files.items())[job - 1 :: self.nj])
        evaluate(self.path, part.parent, part, files, **self.model)

    def combine(self) -> None:
        """Join the parts.

        Raises:
            UserError: see :func:`merge`; a part that is missing, or of another model.
        """
        parts = [self._part(job) for job in range(1, self.nj + 1)]
        evaluator = Evaluator(**self.model)
        inputs = [self.path, *self.files.values(), *parts]
        evaluator.require_outputs(self.outdir, self.jsonl, *inputs)
        identity = evaluator.identity
        for job, part in enumerate(parts, 1):
            again = f"run --job {job} --nj {self.nj} again, with the same model"
            if not part.is_file():
                raise UserError(f"{part}: no such file; {again}")
            made = read_stamp(part.parent / PROVENANCE)["request"]
            if any(made[key] != identity[key] for key in MODEL_KEYS):
                raise UserError(f"{part}: scores of another model; {again}")
        merge(self.path, parts, self.outdir, self.jsonl)


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
        outdir: as for :class:`Evaluator`.
        jsonl: likewise.

    Raises:
        UserError: parts of different models, or not of this list.
    """
    outdir = default_outdir(path) if outdir is None else Path(outdir)
    files = utterances(path)
    found: Dict[str, Optional[float]] = {}
    models: Dict[Path, Dict[str, str]] = {}
    failures: Dict[str, str] = {}
    silent: Dict[str, str] = {}
    for part in map(Path, parts):
        rows = _read_rows(part)
        stamp = read_stamp(part.parent / PROVENANCE)
        models[part] = {key: stamp["request"][key] for key in MODEL_KEYS}
        name, labels = stamp["model"], stamp["labels"]
        failures.update(stamp["failed"])
        silent.update(stamp["silent"])
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
            f"{counted(len(wrong), 'utterance', 'does')} not match, e.g. {wrong[0]}: "
            f"{which}"
        )
    scores = Scores(silent={utt: silent[utt] for utt in files if utt in silent})
    for utt in files:
        score = found[utt]
        if score is None:
            scores.failed[utt] = str(failures.get(utt, "no reason was recorded"))
        else:
            scores.mos[utt] = score
    with folder_lock(outdir):
        request = {**model, "audio": fingerprint(files)}
        finish(outdir, scores, request, name, labels, jsonl)
    return outdir


def _read_rows(part: Path) -> List[Dict[str, Any]]:
    """Return the lines of a job: `key`, and a score or null under VERSA_KEY.

    Raises:
        UserError: unreadable, or a line that is something else.
    """
    rows: List[Dict[str, Any]] = []
    try:
        for line in part.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            score = row[VERSA_KEY]
            if score is not None and not math.isfinite(score):
                raise ValueError(f"{score} is no score")
            if not isinstance(row["key"], str):
                raise ValueError("the key is no text")
            rows.append(row)
    except OSError as e:
        raise UserError(f"{part}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise UserError(f"{part}: not UTF-8 text; run its job again") from e
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
        raise UserError(
            f"{part}:{len(rows) + 1}: not a line that distilmos evaluate writes "
            f"({type(e).__name__}: {e}); run its job again"
        ) from e
    return rows
