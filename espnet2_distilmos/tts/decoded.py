"""Decode folders that have been scored: found, and read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from espnet2_distilmos.tts.results import (
    AVERAGE,
    MODEL_KEYS,
    PROVENANCE,
    SCORES,
    read_stamp,
)
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.search import Search, walk


def find_decoded(paths: Sequence[PathLike], name: str) -> List[Path]:
    """Return files `name` of decode folders, in the order of `paths`, each once.

    A path is such a file, its folder, a decoded set (with `wav/` in it), or anything
    above: an inference folder, an experiment, `exp`. Below a path, names are sorted
    with numbers as numbers: 9epoch before 10epoch. Logs are not looked at.

    Raises:
        UserError: a path without such a file.
    """
    found: Dict[Path, Path] = {}
    for path in map(Path, paths):
        near = [path / name, path / "wav" / name]
        if path.is_file():
            files = [path]
        elif any(map(Path.is_file, near)):
            files = [next(filter(Path.is_file, near))]
        else:
            search = Search(str(path))
            files = [
                path / inside / name
                for inside, entries in walk(search)
                if Path(inside).name == "wav"
                and not {"log", "logdir"} & set(Path(inside).parts)
                and name in (entry.name for entry in entries)
            ]
            files.sort(key=_natural)
            search.tell()
        if not files:
            raise UserError(f"{path}: no {name} in it, in wav/, or in a wav/ below")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _natural(path: Path) -> List[Any]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


@dataclass(frozen=True)
class Decoded:
    """Scores of one decode folder.

    Attributes:
        folder: where they lie.
        mos: ID -> score.
        judge: hashes of the MOS model, or None where the scores do not say.
        judge_name: how it was called.
        judge_labels: what it was trained to predict.
        failed: clips that have no score.
        silent: ID -> in what way it is silent; of scores of before, not known.
        files: what it was read from, and what lies beside the scores.
    """

    folder: Path
    mos: Dict[str, float]
    judge: Optional[Tuple[str, ...]] = None
    judge_name: str = "unknown"
    failed: int = 0
    judge_labels: Labels = Labels()
    files: Tuple[Path, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: PathLike) -> "Decoded":
        """Read `utt2pmos` and, beside it, which model it is of.

        Raises:
            UserError: not such a file.
        """
        file = Path(file)
        mos = read_floats(file, strict=False)
        stamp = file.parent / PROVENANCE
        files = (file, stamp, file.parent / AVERAGE, file.parent / "wav.scp")
        if not stamp.exists():  # of another tool
            return cls(file.parent, mos, files=files)
        made = read_stamp(stamp)
        return cls(
            file.parent,
            mos,
            judge=tuple(made["request"][key] for key in MODEL_KEYS),
            judge_name=made["model"],
            failed=len(made["failed"]),
            judge_labels=made["labels"],
            silent={utt: str(why) for utt, why in made["silent"].items()},
            files=files,
        )

    @property
    def heard(self) -> Dict[str, float]:
        """Scores of the clips that are not silent: those that means are of."""
        return {utt: mos for utt, mos in self.mos.items() if utt not in self.silent}

    @property
    def labels(self) -> Tuple[str, str, str]:
        """Model, checkpoint and set, of `MODEL/CHECKPOINT/SET/wav`.

        Any other folder is a model by its own name.
        """
        # absolute, not resolved: names are those that the user gave.
        parts = self.folder.absolute().parts
        if parts[-1] == "wav" and len(parts) > 4:
            return parts[-4], parts[-3], parts[-2]
        return parts[-1], "-", "-"

    @property
    def label(self) -> str:
        """The same as one text."""
        return "/".join(part for part in self.labels if part != "-")


def load_decoded(paths: Sequence[PathLike]) -> List[Decoded]:
    """Load the scores of decode folders; see :func:`find_decoded`.

    Raises:
        UserError: no scores, or scores of different MOS models.
    """
    folders = [Decoded.load(file) for file in find_decoded(paths, SCORES)]
    for other in folders[1:]:
        if other.judge != folders[0].judge:
            raise UserError(
                f"{folders[0].folder} and {other.folder}: scores of different models "
                f"({folders[0].judge_name}, {other.judge_name}) do not compare; "
                "score both with one"
            )
    return folders
