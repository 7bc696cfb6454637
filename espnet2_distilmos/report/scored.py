"""Figures and pictures of predictions, as files beside them; what is current stays."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Dict, Optional

from espnet2_distilmos.report.oracle import SYSTEM_MEAN
from espnet2_distilmos.report.scales import SCALES, Scales, differing, without_errors
from espnet2_distilmos.utils.files import (
    PathLike,
    require_output,
    sha256_file,
    write_text,
)
from espnet2_distilmos.utils.folds import Folds, unit_file
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, matches, write_stamp


def write_scores(
    ref_utt2mos: PathLike,
    hyp_utt2mos: PathLike,
    utt2sys: Optional[PathLike],
    output: Optional[PathLike] = None,
    table: Optional[PathLike] = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    scales: Optional[Scales] = None,
    folds: Optional[Folds] = None,
) -> Optional[str]:
    """Compare predictions with labels, and write the figures.

    Args:
        ref_utt2mos: labels, `ID MOS`.
        hyp_utt2mos: predictions, likewise.
        utt2sys: systems, `ID SYSTEM`; None = only utterances are scored.
        output: `scores.json` to write; holds the digests of what it is made from.
        table: text file for the table. Where both are made from the same already,
            nothing is done.
        n_bootstrap: resamples; 0 for no intervals.
        seed: of the resampling.
        scales: of scores and labels, where they differ (:func:`.scales.differing`):
            no MSE is given.
        folds: of a cross-validation whose predictions these are: the intervals over
            utterances resample what its folds keep apart, too.

    Returns:
        The table; None where there was nothing to do.

    Raises:
        UserError: a file that cannot be read, or other utterances in one of them.
    """
    inputs: Dict[str, Optional[PathLike]] = {
        "ref_utt2mos": ref_utt2mos,
        "hyp_utt2mos": hyp_utt2mos,
        "utt2sys": utt2sys,
    }
    units = None
    if folds is not None:
        units = unit_file(Path(ref_utt2mos).parent, folds.by)
        inputs["utt2unit"] = units
    for path in (output, table):
        if path is not None:
            require_output(path, *inputs.values())
    request = {
        **{k: None if v is None else sha256_file(v) for k, v in inputs.items()},
        "n_bootstrap": n_bootstrap,
        "seed": seed,
        **({} if scales is None else {SCALES: scales}),
        **({} if folds is None else {"folds": folds.record}),
    }
    if table is not None and output is not None:
        if matches(output, request, lambda _: [table]):
            return None
    # Here: where nothing has changed, numpy would be most of the time.
    from espnet2_distilmos.report.tables import scores_table
    from espnet2_distilmos.scoring.score import score_files

    files = (ref_utt2mos, hyp_utt2mos, utt2sys)
    scores = score_files(*files, n_bootstrap, seed, units)
    if folds is not None:
        scores["folds"] = folds.record
    if scales is not None:
        scores = without_errors(scores, scales)
    text = scores_table(scores)
    if table is not None:
        write_text(table, text)
    if output is not None:  # last, since it says that both are whole
        write_stamp(output, request, **scores)
    return text


def score_folder(
    folder: PathLike,
    data_dir: PathLike,
    n_bootstrap: int = 1000,
    seed: int = 0,
    predicted: Optional[Labels] = None,
    folds: Optional[Folds] = None,
) -> bool:
    """Score `<folder>/utt2mos` against a set: `scores.json` and `scores.txt` beside it.

    Args:
        folder: of the predictions.
        data_dir: the set, with `utt2mos` and perhaps `utt2sys` and `labels.yaml`.
        n_bootstrap: as for :func:`write_scores`.
        seed: likewise.
        predicted: what the predictions are; None = not known.
        folds: as for :func:`write_scores`.

    Returns:
        Whether there was something to do.

    Raises:
        UserError: see :func:`write_scores`.
    """
    folder, data_dir = Path(folder), Path(data_dir)
    systems = data_dir / "utt2sys"
    text = write_scores(
        data_dir / "utt2mos",
        folder / "utt2mos",
        systems if systems.exists() else None,
        folder / "scores.json",
        folder / "scores.txt",
        n_bootstrap,
        seed,
        differing(predicted or Labels(), Labels.beside(data_dir)),
        folds,
    )
    return text is not None


def score_rows(
    rows_dir: PathLike,
    data_dirs: Mapping[str, PathLike],
    train_dir: Optional[PathLike] = None,
    folds: Optional[Folds] = None,
) -> None:
    """Score every `<rows_dir>/<row>/<set>/utt2mos` of these sets.

    Args:
        rows_dir: folder of reference rows.
        data_dirs: set -> folder with its labels.
        train_dir: set that the rows have learnt from, but for the oracle; None = one
            on the scale of these sets.
        folds: as for :func:`write_scores`.

    Raises:
        UserError: see :func:`write_scores`.
    """
    learnt = Labels() if train_dir is None else Labels.beside(train_dir)
    for name, data_dir in data_dirs.items():
        for row in sorted(p for p in Path(rows_dir).iterdir() if p.is_dir()):
            if (row / name / "utt2mos").exists():
                predicted = Labels() if row.name == SYSTEM_MEAN else learnt
                if score_folder(row / name, data_dir, predicted=predicted, folds=folds):
                    logging.info(f"Scored: {row / name}")


def draw_scatter(
    folder: PathLike,
    data_dir: PathLike,
    title: str,
    predicted: str,
    one_scale: bool = True,
) -> None:
    """Draw `<folder>/utt2mos` over a set's labels: `scatter.png` beside it.

    Args:
        folder: of the predictions.
        data_dir: the set, with `utt2mos` and perhaps `utt2sys` and `labels.yaml`.
        title: heading of the picture.
        predicted: what the model predicts, for the axis.
        one_scale: whether that is on the scale of the labels.

    Raises:
        UserError: nothing to draw, or other utterances in one of the files.
    """
    folder, data_dir = Path(folder), Path(data_dir)
    systems = data_dir / "utt2sys"
    files = {
        "ref_utt2mos": data_dir / "utt2mos",
        "hyp_utt2mos": folder / "utt2mos",
        **({"utt2sys": systems} if systems.exists() else {}),
    }
    label_name, picture = Labels.beside(data_dir).axis, folder / "scatter.png"
    words: Dict[str, Any] = {
        **{"title": title, "label_name": label_name, "predicted": predicted},
        **({} if one_scale else {"one_scale": False}),
    }
    request = {**{k: sha256_file(v) for k, v in files.items()}, **words}
    if is_whole(folder / "scatter.yaml", request, lambda _: [picture]):
        return
    from espnet2_distilmos.report.plots import plot_scatter  # matplotlib: a second
    from espnet2_distilmos.utils.datadir import read_floats, read_words

    plot_scatter(
        picture,
        read_floats(files["ref_utt2mos"]),
        read_floats(files["hyp_utt2mos"]),
        read_words(systems) if "utt2sys" in files else None,
        **words,
    )
    write_stamp(folder / "scatter.yaml", request)
