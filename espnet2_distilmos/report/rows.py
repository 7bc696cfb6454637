"""The rows of a RESULTS.md: scores that experiments and references left on disk."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.report.scales import why_no_error
from espnet2_distilmos.report.tables import LEVELS, bootstrap_note, level_cells
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml

NOT_SHOWN = "not_shown.yaml"
NOTE, NAME = "NOTE.txt", "NAME.txt"
# Rows of trees on measurements.
SPECTRAL_STATISTICS = "spectral_statistics"
LOG_MEL_STATISTICS = "log_mel_statistics"


@dataclass
class Row:
    """One predictor and its scores.

    Attributes:
        name: Experiment folder, or what a reference row is called.
        tag: Inference folder; empty for a reference.
        note: One line on what a reference is, or on how predictions were made; may be
            empty.
        scores: Test set -> content of its `scores.json`.
        folders: Test set -> folder that they, and the predictions, are in.
        not_shown: Test set -> why there is no such row for it.
    """

    name: str
    tag: str = ""
    note: str = ""
    scores: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    folders: Dict[str, Path] = field(default_factory=dict)
    not_shown: Dict[str, str] = field(default_factory=dict)

    @property
    def is_reference(self) -> bool:
        """Whether this is a yardstick and not a model of ours."""
        return not self.tag


def read_scores(path: PathLike) -> Dict[str, Any]:
    """Read a `scores.json` that `score-mos` or `score-sets` wrote.

    Raises:
        UserError: unreadable, not JSON or without the expected keys.
    """
    try:
        scores = json.loads(Path(path).read_text(encoding="utf-8"))
        bootstrap_note(scores)
        for level in LEVELS:
            level_cells(scores, level)
        why_no_error(scores)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except (
        *(ValueError, LookupError, TypeError, AttributeError, RecursionError),
        OverflowError,  # a whole number of some hundred digits
    ) as e:
        raise UserError(
            f"{path}: not the scores.json of this version; score again "
            f"({type(e).__name__}: {e})"
        ) from e
    return scores


def _subfolders(folder: Path) -> List[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    return sorted(p for p in folder.iterdir() if p.is_dir())


def scored_sets(folder: Path) -> Dict[str, Path]:
    """Find folders `<set>` with a `scores.json` in a folder: set -> folder.

    A set of another corpus is one folder deeper: `<corpus>/<set>`.
    """
    inner = _subfolders(folder)
    return {
        s.relative_to(folder).as_posix(): s
        for s in inner + [deep for s in inner for deep in _subfolders(s)]
        if (s / "scores.json").is_file() and _made_here(s / "scores.json", folder)
    }


def _made_here(file: Path, folder: Path) -> bool:
    """Whether `file`, below `folder`, is no link and in none.

    Stage 6 writes files. A link leads to what somebody else has made, such as the
    folder of a downloaded model, whose figures are not measured here.
    """
    below = [file, *file.parents][: len(file.relative_to(folder).parts) + 1]
    links = [path for path in below if path.is_symlink()]
    if links:
        logging.warning(f"{file}: not counted, {links[0]} is a link; score it here")
    return not links


def _line(folder: Path, name: str) -> str:
    """Read the line of NOTE.txt or NAME.txt in a folder; empty without one."""
    path = folder / name
    if not path.is_file():
        return ""
    try:
        return " ".join(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: cannot be read ({e})") from e


def _row(name: str, folders: Dict[str, Path], tag: str = "", note: str = "") -> Row:
    scores = {s: read_scores(f / "scores.json") for s, f in folders.items()}
    return Row(name, tag, note, scores, folders)


def base_of(set_name: str) -> str:
    """Return the set itself: `somos/test` for its variant `somos/test@-26dB`."""
    return set_name.split("@", 1)[0]


def experiment_rows(exps: Sequence[PathLike]) -> List[Row]:
    """One row for every `<exp>/<inference_tag>/` with `<set>/scores.json` in it.

    An experiment without any is skipped with a warning: one that is still training
    must not keep the others from being shown.

    Raises:
        UserError: no scores at all, no such folder, or two folders of the same name.
    """
    rows: List[Row] = []
    seen: Dict[str, PathLike] = {}
    # Resolved, so that "." has a name and a folder given twice counts once.
    for exp, given in {Path(e).resolve(): e for e in exps}.items():
        if exp.name in seen:
            raise UserError(
                f"{seen[exp.name]} and {given} have the same name; rename one of them"
            )
        seen[exp.name] = given
        tags = {tag.name: scored_sets(tag) for tag in _subfolders(exp)}
        found = [
            _row(exp.name, folders, tag, _line(exp / tag, NOTE))
            for tag, folders in tags.items()
            if folders
        ]
        if not found:
            logging.warning(f"{given}: skipped, not scored yet")
        rows += found
    if not rows:
        raise UserError(
            f"no <inference_tag>/<set>/scores.json in {', '.join(map(str, exps))}; "
            "score first"
        )
    return rows


def reference_rows(folder: PathLike) -> List[Row]:
    """One row for every `<folder>/<row>/` with `<set>/scores.json` in it.

    `<row>/NOTE.txt`, if there is one, says in one line what the row is,
    `<row>/NAME.txt` what it is called where that is not its folder's name, and
    `<row>/not_shown.yaml` (`set: reason`) why it is not there for some sets.

    Raises:
        UserError: no such folder, or a note that cannot be read.
    """
    rows = []
    for row in _subfolders(Path(folder)):
        reasons = row / NOT_SHOWN
        name = _line(row, NAME) or row.name
        found = _row(name, scored_sets(row), note=_line(row, NOTE))
        found.not_shown = read_set_notes(reasons) if reasons.is_file() else {}
        if found.scores or found.not_shown:
            rows.append(found)
    return rows


def read_set_notes(path: PathLike) -> Dict[str, str]:
    """Read a YAML file `set name: one-line note`.

    Raises:
        UserError: no YAML mapping, or a note that is not text.
    """
    notes = read_yaml(path)
    for name, note in notes.items():
        if not isinstance(name, str) or not isinstance(note, str):
            raise UserError(f"{path}: {name}: `set: note` was expected, both text")
    return notes
