"""RESULTS.md: every model and reference row on every test set."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_distilmos.scoring.environment import environment_lines
from espnet2_distilmos.scoring.tables import (
    HEADER,
    LEVELS,
    bootstrap_note,
    level_cells,
    markdown_table,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, write_text

LEGEND = """\
- utterance: over single clips
- system: over systems, labels and predictions averaged over the system's clips; \
not given (–) under 10 systems
- within systems: in each system of at least 3 clips alone, averaged over systems by \
their number of clips; MSE after removing each system's own bias; \
n counts these systems and, in parentheses, those in which correlations are defined
- in brackets: {intervals}; resampled are clips (utterance) or systems (the other two)
"""


@dataclass
class Row:
    """One predictor and its scores.

    Attributes:
        name: Experiment folder or reference row.
        tag: Inference folder; empty for a reference.
        note: One line on what a reference is; may be empty.
        scores: Test set -> content of its `scores.json`.
    """

    name: str
    tag: str = ""
    note: str = ""
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_reference(self) -> bool:
        """Whether this is a yardstick and not a model of ours."""
        return not self.tag


def read_scores(path: PathLike) -> dict[str, Any]:
    """Read a `scores.json` written by `score_mos`.

    Raises:
        UserError: unreadable, not JSON or without the expected keys.
    """
    try:
        scores = json.loads(Path(path).read_text(encoding="utf-8"))
        bootstrap_note(scores)
        for level in LEVELS:
            level_cells(scores, level)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror})") from e
    except (ValueError, KeyError, TypeError, IndexError) as e:
        raise UserError(
            f"{path}: not the scores.json of this version's score_mos; score again "
            f"({type(e).__name__}: {e})"
        ) from e
    return scores


def _subfolders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    return sorted(p for p in folder.iterdir() if p.is_dir())


def _sets(folder: Path) -> dict[str, dict[str, Any]]:
    """`<set>/scores.json` of a folder: set -> scores."""
    return {
        s.name: read_scores(s / "scores.json")
        for s in _subfolders(folder)
        if (s / "scores.json").is_file()
    }


def experiment_rows(exps: Sequence[PathLike]) -> list[Row]:
    """One row for every `<exp>/<inference_tag>/` with `<set>/scores.json` in it.

    An experiment without any is skipped with a warning: one that is still training
    must not keep the others from being shown.

    Raises:
        UserError: no scores at all, no such folder, or two folders of the same name.
    """
    rows: list[Row] = []
    seen: dict[str, PathLike] = {}
    # Resolved, so that "." has a name and a folder given twice counts once.
    for exp, given in {Path(e).resolve(): e for e in exps}.items():
        if exp.name in seen:
            raise UserError(
                f"{seen[exp.name]} and {given} have the same name; rename one of them"
            )
        seen[exp.name] = given
        tags = {tag.name: _sets(tag) for tag in _subfolders(exp)}
        found = [Row(exp.name, tag, scores=s) for tag, s in tags.items() if s]
        if not found:
            logging.warning(f"{given}: skipped, not scored yet")
        rows += found
    if not rows:
        raise UserError(
            f"no <inference_tag>/<set>/scores.json in {', '.join(map(str, exps))}; "
            "score first"
        )
    return rows


def reference_rows(folder: PathLike) -> list[Row]:
    """One row for every `<folder>/<row>/` with `<set>/scores.json` in it.

    `<row>/NOTE.txt`, if there is one, says in one line what the row is.

    Raises:
        UserError: no such folder, or a note that cannot be read.
    """
    rows = []
    for row in _subfolders(Path(folder)):
        scores, note, path = _sets(row), "", row / "NOTE.txt"
        if path.is_file():
            try:
                note = " ".join(path.read_text(encoding="utf-8").split())
            except (OSError, UnicodeDecodeError) as e:
                raise UserError(f"{path}: cannot be read ({e})") from e
        if scores:
            rows.append(Row(row.name, note=note, scores=scores))
    return rows


def read_set_notes(path: PathLike) -> dict[str, str]:
    """Read a YAML file `set name: one-line note`.

    Raises:
        UserError: no YAML mapping, or a note that is not text.
    """
    notes = read_yaml(path)
    for name, note in notes.items():
        if not isinstance(name, str) or not isinstance(note, str):
            raise UserError(f"{path}: {name}: `set: note` was expected, both text")
    return notes


def _chosen_sets(rows: Sequence[Row], sets: Sequence[str] | None) -> list[str]:
    known = sorted({s for row in rows for s in row.scores})
    if not sets:
        return known
    unknown = [s for s in sets if s not in known]
    if unknown:
        raise UserError(
            f"no scores of {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return list(dict.fromkeys(sets))


def _section(
    name: str, rows: Sequence[Row], labels: Mapping[int, str], heading: str, note: str
) -> str:
    """One test set: heading, note, table."""
    scored = [r for r in rows if name in r.scores]
    lines = [
        [level_name, labels[id(r)], *level_cells(r.scores[name], level)]
        for level, level_name in LEVELS.items()
        for r in scored
    ]
    text = f"## {heading}\n\n"
    if note:
        text += f"{note}\n\n"
    text += markdown_table(["level", "model", *HEADER], lines)
    absent = [labels[id(r)] for r in rows if name not in r.scores]
    if absent:
        text += f"\nNot scored on this set: {', '.join(absent)}\n"
    return text


def render_results(
    rows: Sequence[Row],
    sets: Sequence[str] | None = None,
    set_notes: Mapping[str, str] | None = None,
    label_kind: str = "",
    title: str = "RESULTS",
    environment: Sequence[str] = (),
) -> tuple[str, str]:
    """The text of a RESULTS.md.

    Rows are grouped by level, so that models stand under each other; references
    come first, in italics. All figures of all `scores.json` are shown.

    Args:
        rows: From :func:`reference_rows` and :func:`experiment_rows`.
        sets: Sets to show, in this order; None for all, by name.
        set_notes: Set -> note under its heading.
        label_kind: What the labels are, said at the top and in every heading.
        title: Heading of the page.
        environment: List items of :func:`environment_lines`.

    Returns:
        The head (title, environment, legend) and the body (one table a set, then what
        the references are).

    Raises:
        UserError: a set that no row has.
    """
    rows = sorted(rows, key=lambda r: not r.is_reference)  # stable
    sets = _chosen_sets(rows, sets)
    tags = {r.tag for r in rows if not r.is_reference}
    # A tag that all models share is said once; it would only widen the table.
    names = {id(r): r.name if len(tags) < 2 else f"{r.name}/{r.tag}" for r in rows}
    names |= {id(r): f"*{r.name}*" for r in rows if r.is_reference}

    items = list(environment)
    if len(tags) == 1:
        items.append(f"- inference: `{tags.pop()}`")
    intervals = dict.fromkeys(
        bootstrap_note(r.scores[s]) for s in sets for r in rows if s in r.scores
    )
    head = "<!-- Generated by python -m espnet2_distilmos.bin.show_results -->\n"
    head += f"# {title}\n\n"
    if label_kind:
        head += f"Labels: **{label_kind}**\n\n"
    head += "## Environments\n\n" + "".join(f"{i}\n" for i in items)
    head += "\n## How to read\n\n" + LEGEND.format(intervals=" or ".join(intervals))
    body = "\n".join(
        _section(
            s,
            rows,
            names,
            f"{s} ({label_kind})" if label_kind else s,
            (set_notes or {}).get(s, ""),
        )
        for s in sets
    )
    notes = [f"- {names[id(r)]}: {r.note}\n" for r in rows if r.note]
    if notes:
        body += "\n## Reference rows\n\n" + "".join(notes)
    return head, body


def write_results(
    output: PathLike,
    exps: Sequence[PathLike],
    reference: PathLike | None = None,
    sets: Sequence[str] | None = None,
    set_notes: PathLike | None = None,
    label_kind: str = "",
    title: str = "RESULTS",
    date: str | None = None,
) -> str:
    """Gather scores and write RESULTS.md.

    Args:
        output: File to write.
        exps: Experiment folders (:func:`experiment_rows`).
        reference: Folder of reference rows (:func:`reference_rows`).
        sets: Sets to show, in this order; None for all.
        set_notes: YAML file (:func:`read_set_notes`).
        label_kind: What the labels are.
        title: Heading of the page.
        date: What to write as the date; None for now.

    Returns:
        The tables, to be printed.

    Raises:
        UserError: see the functions named above.
    """
    rows = [] if reference is None else reference_rows(reference)
    head, body = render_results(
        rows + experiment_rows(exps),
        sets,
        None if set_notes is None else read_set_notes(set_notes),
        label_kind,
        title,
        environment_lines(date),
    )
    write_text(output, f"{head}\n{body}")
    return body
