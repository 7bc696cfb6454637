"""Predictions of all folds of a cross-validation as those of one set, with figures."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, List

from espnet2_distilmos.report.oracle import SYSTEM_MEAN, system_mean, why_no_oracle
from espnet2_distilmos.report.reference import NOTES
from espnet2_distilmos.report.rows import NAME, NOT_SHOWN, NOTE
from espnet2_distilmos.report.scored import draw_scatter, score_folder, score_rows
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, write_text, write_yaml
from espnet2_distilmos.utils.folds import Folds

_FITTED = "Out of fold: made anew in every fold from its training part."
_SHOWN = 5


def combine_predictions(folds: Folds, hyp_dirs: Sequence[PathLike]) -> Dict[str, float]:
    """Return the prediction of every clip, by the one fold that tests it.

    Args:
        folds: of a cross-validation.
        hyp_dirs: folder with `utt2mos` of the test part of each fold, in order.

    Raises:
        UserError: another number of folders than folds, a clip that a fold has not
            predicted or does not test, that two folds have predicted, or none.
    """
    if len(hyp_dirs) != folds.n:
        raise UserError(f"{len(hyp_dirs)} folders of predictions for {folds.n} folds")
    by_fold: Dict[str, int] = {}
    joined: Dict[str, float] = {}
    for number, folder in enumerate(hyp_dirs, 1):
        file = Path(folder) / "utt2mos"
        found = read_floats(file)
        tests = read_floats(folds.part(number, "test") / "utt2mos")
        _require_none(
            f"{file}: fold {number} tests %s, but has not predicted them",
            [utt for utt in tests if utt not in found],
        )
        _require_none(
            f"{file}: fold {number} does not test %s",
            [utt for utt in found if utt not in tests],
        )
        _require_none(
            f"{file}: an earlier fold has predicted %s too",
            [utt for utt in found if utt in by_fold],
        )
        by_fold.update(dict.fromkeys(found, number))
        joined.update(found)
    labels = read_floats(folds.whole / "utt2mos")
    _require_none(
        f"{folds.whole}: no fold has predicted %s",
        [utt for utt in labels if utt not in joined],
    )
    _require_none(
        f"{folds.whole}: has no %s, which a fold has predicted",
        [utt for utt in joined if utt not in labels],
    )
    return joined


def _require_none(text: str, utts: Sequence[str]) -> None:
    if utts:
        more = f" and {len(utts) - _SHOWN} more" if len(utts) > _SHOWN else ""
        shown = ", ".join(utts[:_SHOWN]) + more
        raise UserError(f"{text % shown}; every clip is predicted once: run stage 1")


def write_out_of_fold(
    folds: Folds, tag_dirs: Sequence[PathLike], output_dir: PathLike, predicted: str
) -> None:
    """Write, score and draw the predictions of all folds: `<output_dir>/<name>/`.

    What was done to the scores of each fold (NOTE.txt, of the calibration) is told in
    `<output_dir>/NOTE.txt`.

    Args:
        folds: of a cross-validation.
        tag_dirs: folder `<exp>/<inference_tag>` of each fold, with `test/utt2mos`.
        output_dir: the same of all folds.
        predicted: what the models predict, for the axis of the picture.

    Raises:
        UserError: see :func:`combine_predictions`.
    """
    output_dir = Path(output_dir)
    joined = combine_predictions(folds, [Path(d) / "test" for d in tag_dirs])
    write_lines(output_dir / folds.name / "utt2mos", joined)
    told = [_text(Path(folder) / NOTE) for folder in tag_dirs]
    notes = [f"fold {i}: {text}" for i, text in enumerate(told, 1) if text]
    if notes:
        write_text(output_dir / NOTE, " ".join(notes) + "\n")
    else:
        (output_dir / NOTE).unlink(missing_ok=True)
    if score_folder(output_dir / folds.name, folds.whole, folds=folds):
        logging.info(f"Scored: {output_dir / folds.name}")
    draw_scatter(output_dir / folds.name, folds.whole, folds.name, predicted)


def write_rows_out_of_fold(
    folds: Folds, rows_dirs: Sequence[PathLike], output_dir: PathLike
) -> None:
    """Write and score the reference rows: `<output_dir>/<row>/<name>/utt2mos`.

    Each row is joined of what the folds have, which was fitted to their training parts;
    the oracle, which is fitted to nothing, is that of all clips.

    Args:
        folds: of a cross-validation.
        rows_dirs: folder of the rows of each fold, with `<row>/test/utt2mos`.
        output_dir: the same of all folds.

    Raises:
        UserError: see :func:`combine_predictions`.
    """
    dirs, output_dir = [Path(d) for d in rows_dirs], Path(output_dir)
    rows = _rows_of_all(dirs)
    for old in sorted(p for p in output_dir.glob("*") if p.is_dir()):
        if old.name not in rows and old.name != SYSTEM_MEAN:
            logging.warning(f"{old}: removed, not every fold has it now")
            shutil.rmtree(old)
    for row in rows:
        joined = combine_predictions(folds, [d / row / "test" for d in dirs])
        write_lines(output_dir / row / folds.name / "utt2mos", joined)
        for name, more in ((NOTE, f" {_FITTED}"), (NAME, "")):
            told = [_text(d / row / name) for d in dirs]
            if told[0]:
                write_text(output_dir / row / name, f"{told[0]}{more}\n")
    _write_oracle(folds, output_dir / SYSTEM_MEAN)
    score_rows(output_dir, {folds.name: folds.whole}, folds=folds)


def _rows_of_all(dirs: Sequence[Path]) -> List[str]:
    """Return the rows that every fold has, but for the oracle."""
    found = [{p.parents[1].name for p in d.glob("*/test/utt2mos")} for d in dirs]
    every = set.intersection(*found) - {SYSTEM_MEAN}
    for row in sorted(set.union(*found) - every - {SYSTEM_MEAN}):
        logging.warning(f"{row}: not shown, since not every fold has this row")
    return sorted(every)


def _text(file: Path) -> str:
    """Return a text as one line; empty without the file."""
    return " ".join(file.read_text(encoding="utf-8").split()) if file.is_file() else ""


def _write_oracle(folds: Folds, output_dir: Path) -> None:
    """Write the means of the systems over all clips, or why they say nothing."""
    data = DataDir.load(folds.whole)
    reason = why_no_oracle(data.systems)
    write_yaml(output_dir / NOT_SHOWN, {folds.name: reason} if reason else {})
    if reason:
        logging.warning(f"{folds.name}: no {SYSTEM_MEAN} row, {reason}")
        shutil.rmtree(output_dir / folds.name, ignore_errors=True)
        return
    means = system_mean(data.mos or {}, data.systems or {})
    write_lines(output_dir / folds.name / "utt2mos", means)
    write_text(output_dir / NOTE, f"{NOTES[SYSTEM_MEAN]}\n")
