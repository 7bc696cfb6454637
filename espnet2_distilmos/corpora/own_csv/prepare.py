"""From one CSV to `data/{train,valid,test}`."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

from espnet2_distilmos.corpora.own_csv.split import SETS, Split, split_rows
from espnet2_distilmos.corpora.own_csv.table import Row, Table, check_audio, read_table
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    sha256_file,
    write_text,
    write_yaml,
)
from espnet2_distilmos.utils.label_info import KINDS, NOT_STATED, LabelInfo
from espnet2_distilmos.utils.labels import LABELS, Labels
from espnet2_distilmos.utils.stamp import is_whole, quick_look, write_stamp
from espnet2_distilmos.utils.terminal import counted

# Fewer validation clips choose the best epoch by little more than chance.
FEW_CLIPS = 30
# With 100 test clips a correlation of 0.8 has a 95 % interval of 0.72 to 0.86; with
# fewer, most models and rows to compare with cannot be told apart.
FEW_TESTS = 100
FOLDS = 5
SHOWN = 5


def prepare_csv(
    csv_file: PathLike,
    data_dir: PathLike = "data",
    scale: Tuple[float, float] = (1.0, 5.0),
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    skip_bad: bool = False,
    labels: Optional[LabelInfo] = None,
    scales: Sequence[str] = (),
) -> List[str]:
    """Write data directories from a CSV `wav,mos[,system][,split]`.

    On disk: the CSV wherever it is, and audio files of any format, at any rate, named
    relative to the CSV's folder (or by absolute paths):

        my_test/scores.csv
        my_test/wavs/a/0001.wav

    Beside the sets, `data_dir` gets `csv_report.txt` (what was done),
    `csv_problems.txt` (line, reason; empty if there were none) and `set_notes.yaml`
    (for the table of results); each set gets `labels.yaml`, what its labels are.

    Args:
        csv_file: the table (:func:`~.table.read_table` says what it may look like).
        data_dir: parent of the data directories.
        scale: lowest and highest score that there can be.
        valid_fraction: see :func:`~.split.split_rows`.
        test_fraction: likewise.
        seed: likewise.
        skip_bad: leave bad rows out instead of stopping.
        labels: what the scores are (the scale is taken from `scale`); None = not
            stated.
        scales: columns that are further scales, written to `utt2scores`.

    Returns:
        What was done, in sentences.

    Raises:
        UserError: bad rows, unless they are to be skipped; or nothing to learn from.
    """
    csv_file, data_dir = Path(csv_file), Path(data_dir)
    if not scale[0] < scale[1]:
        raise UserError(f"--scale: {scale[0]:g} is not below {scale[1]:g}")
    labels = replace(labels or LabelInfo(csv_file.stem), scale=scale)
    if labels.kind == "human" and not labels.name:
        labels = replace(labels, name="MOS")
    table = read_table(csv_file, scale, scales)
    request = {
        "csv": str(csv_file.resolve()),
        "sha256": sha256_file(csv_file),
        # Whether it can be read; what is in it is for stage 1 to compare.
        "audio": quick_look({str(r.wav): str(r.wav) for r in table.rows}),
        "scale": list(scale),
        "fractions": [valid_fraction, test_fraction],
        "seed": seed,
        "skip_bad": skip_bad,
        "labels": labels.as_dict(),
        **({"scales": list(scales)} if scales else {}),
    }
    report = data_dir / "csv_report.txt"
    with folder_lock(data_dir):
        if is_whole(data_dir / "csv.yaml", request, lambda _: _outputs(data_dir)):
            return report.read_text(encoding="utf-8").splitlines()
        seconds = check_audio(table)
        _require_good(table, csv_file, data_dir, skip_bad)
        if len({r.mos for r in table.rows}) == 1:
            raise UserError(
                f"{csv_file}: all scores are {table.rows[0].mos:g}; there is nothing "
                "to learn"
            )
        _require_distinct(table.rows, csv_file)
        try:
            split = split_rows(table.rows, valid_fraction, test_fraction, seed)
        except UserError as e:
            raise UserError(f"{csv_file}: {e}") from e
        _write_sets(split.sets, csv_file.resolve().parent, data_dir)
        for name in split.sets:
            Labels((labels,)).write(data_dir / name / LABELS)
        told = _told(csv_file, table, seconds, scale, split)
        for name in scales:
            n = sum(name in dict(row.scores) for row in table.rows)
            told.append(
                f"{name}: a further scale, {counted(n, 'clip', 'has')} a label."
            )
        told.insert(1, _told_labels(labels))
        write_yaml(data_dir / "set_notes.yaml", {"test": split.note})
        write_text(report, "".join(f"{line}\n" for line in told))
        write_stamp(data_dir / "csv.yaml", request)
    return told


def _outputs(data_dir: Path) -> List[Path]:
    sets = [data_dir / name for name in SETS]
    names = ("wav.scp", "utt2mos", "utt2spk", LABELS)
    return [data_dir / "csv_report.txt", *(s / n for s in sets for n in names)]


def utterance_ids(wavs: Sequence[Path], root: Path) -> Dict[Path, str]:
    """Return file -> ID: its path below `root` without suffix, `/` and the like as `_`.

    Where this is the same for two files, the later ones by name get `-2`, `-3`...
    """
    ids: Dict[Path, str] = {}
    used: Set[str] = set()
    for wav in sorted(wavs, key=lambda w: str(w).encode()):
        inside = wav.relative_to(root) if wav.is_relative_to(root) else wav
        name = _word(str(inside.with_suffix("")))
        utt, n = name, 1
        while utt in used:
            n += 1
            utt = f"{name}-{n}"
        used.add(utt)
        ids[wav] = utt
    return ids


def _word(text: str) -> str:
    """Return `text` as one word of letters, digits, `_`, `.` and `-`."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_") or "_"


def _require_good(table: Table, csv_file: Path, data_dir: Path, skip_bad: bool) -> None:
    """List bad rows in a file; stop unless they are to be skipped."""
    listed = data_dir / "csv_problems.txt"
    problems = [f"{csv_file}:{line}: {text}" for line, text in table.problems]
    write_text(listed, "".join(f"{p}\n" for p in problems))
    if not problems:
        return
    if skip_bad and table.rows:
        for problem in problems:
            logging.warning(f"left out: {problem}")
        return
    shown = "; ".join(f"line {n}: {text}" for n, text in table.problems[:SHOWN])
    if len(problems) > SHOWN:
        shown += f"; and {len(problems) - SHOWN} more"
    remedy = "" if skip_bad else "; mend them or leave them out with --skip_bad true"
    raise UserError(
        f"{csv_file}: {counted(len(problems), 'bad line')}, {len(table.rows)} good "
        f"ones: {shown} (all in {listed}){remedy}"
    )


def _require_distinct(rows: Sequence[Row], csv_file: Path) -> None:
    """Refuse systems that would become one."""
    names: Dict[str, str] = {}
    for system in sorted({r.system for r in rows if r.system is not None}):
        other = names.setdefault(_word(system), system)
        if other != system:
            raise UserError(
                f"{csv_file}: the systems {other!r} and {system!r} would both be "
                f"written {_word(system)}; rename one of them"
            )


def _write_sets(sets: Mapping[str, List[Row]], root: Path, data_dir: Path) -> None:
    ids = utterance_ids([r.wav for rows in sets.values() for r in rows], root)
    for name, rows in sets.items():
        rows = sorted(rows, key=lambda r: ids[r.wav].encode())
        systems = {ids[r.wav]: _word(r.system) for r in rows if r.system is not None}
        scores = {ids[r.wav]: dict(r.scores) for r in rows}
        DataDir(
            wavs={ids[r.wav]: str(r.wav) for r in rows},
            mos={ids[r.wav]: r.mos for r in rows},
            systems=systems or None,
            scores=scores if any(scores.values()) else None,
        ).save(data_dir / name)


def _told_labels(labels: LabelInfo) -> str:
    if labels.kind == NOT_STATED:
        return (
            "What the scores are was not stated; tables and models will say so. Give "
            f"--label_kind {', '.join(KINDS[:-1])} or {KINDS[-1]} (by a model)."
        )
    return f"Labels: {labels.what}."


def _told(
    csv_file: Path,
    table: Table,
    seconds: Mapping[Path, float],
    scale: Tuple[float, float],
    split: Split,
) -> List[str]:
    """Return what was done, a sentence a line."""
    scores = [r.mos for r in table.rows]
    told = [
        f"{csv_file}: {counted(len(table.rows), 'clip')}, "
        f"{sum(seconds.values()) / 60:.1f} min, scores {min(scores):g} to "
        f"{max(scores):g} on a scale of {scale[0]:g} to {scale[1]:g}"
    ]
    if table.problems:
        told.append(
            f"{counted(len(table.problems), 'line', 'was')} left out "
            "(csv_problems.txt)."
        )
    if table.odd:
        line, text = table.odd[0]
        told.append(
            f"{counted(len(table.odd), 'odd clip', 'is')} kept, e.g. line {line}: "
            f"{text}; stage 1 lists them all."
        )
    if table.unused:
        told.append(f"Columns that were not used: {', '.join(table.unused)}.")
    told.append(split.told)
    for name, rows in split.sets.items():
        systems = {r.system for r in rows} - {None}
        told.append(
            f"{name}: {counted(len(rows), 'clip')}"
            + (f" of {counted(len(systems), 'system')}" if systems else "")
            + f", mean score {sum(r.mos for r in rows) / len(rows):.2f}"
        )
    if len(split.sets["valid"]) < FEW_CLIPS:
        told.append(
            f"valid has only {counted(len(split.sets['valid']), 'clip')}: which epoch "
            "is best is decided by little more than chance."
        )
    if len(split.sets["test"]) < FEW_CLIPS:
        told.append(
            f"test has only {counted(len(split.sets['test']), 'clip')}: read the "
            "figures with their intervals."
        )
    if len(split.sets["test"]) < FEW_TESTS:
        told.append(_told_folds(table))
    return told


def _told_folds(table: Table) -> str:
    n_systems = len({r.system for r in table.rows} - {None})
    options = f"--folds {FOLDS}" + ("" if n_systems >= FOLDS else " --fold_by clip")
    return (
        f"Under {FEW_TESTS} test clips figures say little: ./run.sh {options} "
        f"tests on all {len(table.rows)}, by {FOLDS} trainings (doc/your_corpus.md)."
    )
