"""RESULTS.md: every model and reference row on every test set."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Dict, List, Optional, Tuple

from espnet2_distilmos.report.against_constant import against_constant
from espnet2_distilmos.report.environment import environment_lines
from espnet2_distilmos.report.further_scales import scale_table
from espnet2_distilmos.report.rows import (
    Row,
    base_of,
    experiment_rows,
    read_set_notes,
    reference_rows,
)
from espnet2_distilmos.report.scales import no_error_notes
from espnet2_distilmos.report.tables import (
    HEADER,
    LEVELS,
    NONE,
    bootstrap_note,
    figure,
    level_cells,
    markdown_table,
    resampled,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text

LEGEND = """\
- utterance: over single clips
- system: over systems, labels and predictions averaged over the system's clips; \
not given (–) under 10 systems
- within systems: in each system of at least 3 clips alone, averaged over systems by \
their number of clips; MSE after removing each system's own bias; \
n counts these systems and, in parentheses, those in which correlations are defined
- in brackets: {intervals}; resampled are {resampled}
"""
OUT_OF_DOMAIN = """\
- out of domain: a set of another corpus, scored with the model as it is; listening \
tests use the scale differently, so the MSE says less there than the correlations
"""
LEVELLED = """\
- @-26dB and the like behind a model: the same clips at one level. Their RMS over the \
whole clip, pauses included, was set to so many dB re full scale (not the active \
speech level of ITU-T P.56 that sv56 sets); peaks over full scale were clipped
"""


def _chosen_sets(rows: Sequence[Row], sets: Optional[Sequence[str]]) -> List[str]:
    known = sorted({base_of(s) for row in rows for s in row.scores})
    if not sets:
        return known
    unknown = [s for s in sets if s not in known]
    if unknown:
        raise UserError(
            f"no scores of {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return list(dict.fromkeys(sets))


def _scored(
    name: str, rows: Sequence[Row], labels: Mapping[int, str]
) -> List[Tuple[str, Dict[str, Any]]]:
    """Label and scores of each row on a set, then on its variants."""
    return [
        (" @".join([labels[id(row)], *s.split("@")[1:]]), row.scores[s])
        for row in rows
        for s in sorted(row.scores)
        if base_of(s) == name
    ]


def _section(
    name: str, rows: Sequence[Row], labels: Mapping[int, str], heading: str, note: str
) -> str:
    """One test set: heading, note, table."""
    lines = [
        [level_name, label, *level_cells(scores, level)]
        for level, level_name in LEVELS.items()
        for label, scores in _scored(name, rows, labels)
    ]
    text = f"## {heading}\n\n"
    if note:
        text += f"{note}\n\n"
    text += markdown_table(["level", "model", *HEADER], lines)
    text += no_error_notes(_scored(name, rows, labels))
    text += scale_table(
        {
            " @".join([labels[id(row)], *s.split("@")[1:]]): row.folders[s]
            for row in rows
            for s in sorted(row.folders)
            if base_of(s) == name
        }
    )
    absent = [r for r in rows if name not in map(base_of, r.scores)]
    for row in absent:
        if name in row.not_shown:
            text += (
                f"\nNot shown on this set: {labels[id(row)]}, {row.not_shown[name]}\n"
            )
    unsaid = [labels[id(r)] for r in absent if name not in r.not_shown]
    if unsaid:
        text += f"\nNot scored on this set: {', '.join(unsaid)}\n"
    return text


def overview(
    rows: Sequence[Row],
    sets: Sequence[str],
    labels: Mapping[int, str],
    out_of_domain: Collection[str],
) -> str:
    """All models on all sets in one table, a row each; the correlations that count."""
    lines = [
        [
            s,
            "out" if s in out_of_domain else "in",
            label,
            str(scores["n_utt"]),
            figure(scores["utt"]["lcc"]),
            figure(scores["utt"]["srcc"]),
            NONE if scores["n_sys"] is None else str(scores["n_sys"]),
            figure(scores["sys"]["srcc"]),
        ]
        for s in sets
        for label, scores in _scored(s, rows, labels)
    ]
    header = ["set", "domain", "model", "clips", "LCC", "SRCC", "systems"]
    return markdown_table([*header, "system SRCC"], lines)


def render_results(
    rows: Sequence[Row],
    sets: Optional[Sequence[str]] = None,
    set_notes: Optional[Mapping[str, str]] = None,
    label_kind: str = "",
    title: str = "RESULTS",
    environment: Sequence[str] = (),
    out_of_domain: Optional[Mapping[str, str]] = None,
    made_by: str = "python -m espnet2_distilmos.bin.show_results",
    labels: Optional[PathLike] = None,
) -> Tuple[str, str]:
    """Write the text of a RESULTS.md.

    Rows are grouped by level, so that models stand under each other; references
    come first, in italics. All figures of all `scores.json` are shown.

    Args:
        rows: From :func:`reference_rows` and :func:`experiment_rows`.
        sets: Sets to show, in this order; None for all, by name. Variants of a set
            (:func:`base_of`) stand in its table.
        set_notes: Set -> note under its heading.
        label_kind: What the labels are, said at the top and in every heading.
        title: Heading of the page.
        environment: List items of :func:`environment_lines`.
        out_of_domain: Set of another corpus -> what *its* labels are. These are
            marked, and all sets stand in one table first.
        made_by: Command that the page comes from.
        labels: Folder with `<set>/utt2mos`, the labels, for the sentences on the
            constant; None leaves them out.

    Returns:
        The head (title, environment, legend) and the body (one table a set, what the
        references are, then whether the models are better than the constant).

    Raises:
        UserError: a set that no row has.
    """
    out_of_domain = out_of_domain or {}
    rows = sorted(rows, key=lambda r: not r.is_reference)  # stable
    sets = _chosen_sets(rows, sets)
    tags = {r.tag for r in rows if not r.is_reference}
    # A tag that all models share is said once; it would only widen the table.
    names = {id(r): r.name if len(tags) < 2 else f"{r.name}/{r.tag}" for r in rows}
    names |= {id(r): f"*{r.name}*" for r in rows if r.is_reference}

    items = list(environment)
    if len(tags) == 1:
        items.append(f"- inference: `{tags.pop()}`")
    shown = [x for s in sets for x in _scored(s, rows, names)]
    intervals = dict.fromkeys(bootstrap_note(scores) for _, scores in shown)
    head = f"<!-- Generated by {made_by} -->\n"
    head += f"# {title}\n\n"
    if label_kind:
        head += f"Labels: **{label_kind}**\n\n"
    head += "## Environments\n\n" + "".join(f"{i}\n" for i in items)
    head += "\n## How to read\n\n" + LEGEND.format(
        intervals=" or ".join(intervals),
        resampled=" or ".join(dict.fromkeys(resampled(scores) for _, scores in shown)),
    )
    if any(s in out_of_domain for s in sets):
        head += OUT_OF_DOMAIN
    if any("@" in s for r in rows for s in r.scores if base_of(s) in sets):
        head += LEVELLED
    parts = [
        _section(s, rows, names, heading, (set_notes or {}).get(s, ""))
        for s in sets
        for heading in [_heading(s, label_kind, out_of_domain)]
    ]
    if any(s in out_of_domain for s in sets):
        parts.insert(
            0, "## In one table\n\n" + overview(rows, sets, names, out_of_domain)
        )
    body = "\n".join(parts)
    for title_of, reference in (("Reference rows", True), ("How it was scored", False)):
        notes = [
            f"- {names[id(r)]}: {r.note}\n"
            for r in rows
            if r.note and r.is_reference == reference
        ]
        if notes:
            body += f"\n## {title_of}\n\n" + "".join(notes)
    if labels is not None:
        body += against_constant(rows, sets, names, labels)
    return head, body


def _heading(name: str, label_kind: str, out_of_domain: Mapping[str, str]) -> str:
    if name in out_of_domain:
        return f"{name} (out of domain; {out_of_domain[name]})"
    return f"{name} ({label_kind})" if label_kind else name


def write_results(
    output: PathLike,
    exps: Sequence[PathLike],
    reference: Optional[PathLike] = None,
    sets: Optional[Sequence[str]] = None,
    set_notes: Optional[PathLike] = None,
    label_kind: str = "",
    title: str = "RESULTS",
    date: Optional[str] = None,
    out_of_domain: Optional[Mapping[str, str]] = None,
    labels: Optional[PathLike] = None,
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
        out_of_domain: Set of another corpus -> what its labels are.
        labels: Folder with `<set>/utt2mos` (:func:`render_results`).

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
        out_of_domain,
        labels=labels,
    )
    write_text(output, f"{head}\n{body}")
    return body
