"""Files of a scored decode folder: scores, their average, and whose they are."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, write_text
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import write_stamp
from espnet2_distilmos.utils.terminal import counted

SCORES = "utt2pmos"
AVERAGE = "pmos_avg_result.txt"
# Which model the scores are of, and of which audio.
PROVENANCE = "pmos_provenance.yaml"
# What tells models apart, in its `request`.
MODEL_KEYS = ("config_sha256", "model_sha256")
# Key of the score in VERSA's JSON lines.
VERSA_KEY = "distilmos"


@dataclass
class Scores:
    """What is known of the clips of one decode folder.

    Attributes:
        mos: ID -> score (MOS units, not clipped).
        failed: ID -> why there is no score.
        silent: ID -> in what way it is silent: its score means nothing.
    """

    mos: Dict[str, float] = field(default_factory=dict)
    failed: Dict[str, str] = field(default_factory=dict)
    silent: Dict[str, str] = field(default_factory=dict)

    @property
    def average(self) -> str:
        """The line that ESPnet's script writes: mean and population deviation."""
        values = list(self.mos.values())
        return f"Average: {np.mean(values):.4f} ± {np.std(values):.4f}"

    def save(self, folder: PathLike, jsonl: Optional[PathLike] = None) -> None:
        """Write `utt2pmos`, `pmos_avg_result.txt` and, if asked, VERSA's JSON lines.

        Without any score the first two are not there, not even older ones.
        """
        if jsonl is not None:
            lines = [
                json.dumps({"key": utt, VERSA_KEY: self.mos.get(utt)})
                for utt in sorted([*self.mos, *self.failed])
            ]
            write_text(jsonl, "".join(f"{line}\n" for line in lines))
        if not self.mos:
            for name in (SCORES, AVERAGE):
                (Path(folder) / name).unlink(missing_ok=True)
            return
        lines = [f"{utt} {self.mos[utt]:.4f}\n" for utt in sorted(self.mos)]
        write_text(Path(folder) / SCORES, "".join(lines))
        text = f"#utterances: {len(self.mos)}\n{self.average}\n"
        write_text(Path(folder) / AVERAGE, text)


def finish(
    outdir: Path,
    scores: Scores,
    request: Dict[str, Any],
    model: str,
    labels: Labels,
    jsonl: Optional[PathLike],
) -> None:
    """Write the results, then the provenance; complain of clips without a score.

    The provenance says what the scores are, too: the others are as ESPnet writes them.

    Raises:
        UserError: clips without a score. A later run begins anew.
    """
    scores.save(outdir, jsonl)
    if scores.failed:  # then no later request is the same: it is tried again
        request = {**request, "failed": len(scores.failed)}
    write_stamp(
        outdir / PROVENANCE,
        request,
        model=model,
        labels=labels.as_list() or None,
        failed=scores.failed,
        **({"silent": scores.silent} if scores.silent else {}),
    )
    if scores.mos:
        logging.info(
            f"{outdir}: {counted(len(scores.mos), 'utterance')}. {scores.average}"
        )
        logging.info(f"model: {model}; {labels.sentence}")
    if scores.failed:
        utt, error = next(iter(scores.failed.items()))
        raise UserError(
            f"{len(scores.failed)} of {len(scores.mos) + len(scores.failed)} "
            f"utterances could not be scored, e.g. {utt}: {error}"
        )


def read_stamp(path: PathLike) -> Dict[str, Any]:
    """Read a `pmos_provenance.yaml`.

    Returns:
        Its `request` (with MODEL_KEYS and `audio`), `model`, `labels` (what the model
        predicts, made :class:`Labels`), `failed` (ID -> why) and `silent` (likewise;
        earlier versions did not note it).

    Raises:
        UserError: unreadable, or not such a file.
    """
    stamp = read_yaml(path)
    request = stamp.get("request")
    if (
        not isinstance(request, dict)
        or not {*MODEL_KEYS, "audio"} <= set(request)
        or not isinstance(stamp.get("model"), str)
        or not isinstance(stamp.get("failed"), dict)
        or not isinstance(stamp.setdefault("silent", {}), dict)
    ):
        raise UserError(
            f"{path}: not what distilmos evaluate writes (request, model, failed); "
            "delete it and score again"
        )
    return {**stamp, "labels": Labels.from_list(stamp.get("labels"), path)}
