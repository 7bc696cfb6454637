"""Reference rows: what a score is worth is seen beside predictors without training.

`constant` is the mean label of the training set: a model that does not beat it has
learnt nothing at all. `system_mean` is an oracle that shows how much of a test set is
explained by the systems alone; `spectral_statistics` and `log_mel_statistics` show how
far simple measurements get. A model that does not beat these has learnt nothing that
needed it. (The linear probe is in :mod:`espnet2_distilmos.report.probe`.)
"""

import logging
import shutil
from pathlib import Path
from typing import Dict

from espnet2_distilmos.report.constant import CONSTANT, constant
from espnet2_distilmos.report.oracle import SYSTEM_MEAN, system_mean, why_no_oracle
from espnet2_distilmos.report.rows import (
    LOG_MEL_STATISTICS,
    NAME,
    NOT_SHOWN,
    NOTE,
    SPECTRAL_STATISTICS,
)
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.files import PathLike, write_text, write_yaml
from espnet2_distilmos.utils.stamp import is_whole, write_stamp

NOTES = {
    CONSTANT: "The mean label of the training set for every clip: what a predictor "
    "scores that hears nothing.",
    SYSTEM_MEAN: "Oracle, not a prediction: each clip gets the mean label of its "
    "system over this very test set, so it knows the system and the answers' mean.",
    SPECTRAL_STATISTICS: "About a hundred simple statistics of level, spectrum and "
    "modulation, and regression trees (scikit-learn) trained on the training set; "
    "no SSL model.",
    LOG_MEL_STATISTICS: "Six statistics over time of each of 64 mel bands, and the "
    "same regression trees; no SSL model.",
}
# What a row is called in tables, where it is not its folder's name.
NAMES = {LOG_MEL_STATISTICS: "log-mel statistics"}


def write_reference_rows(
    sets: LabelledSets, output_dir: PathLike, n_jobs: int = 2, seed: int = 0
) -> None:
    """Write `output_dir`/<row>/<set>/utt2mos and `output_dir`/<row>/NOTE.txt.

    Why a set has no row of an oracle is written to `output_dir`/<row>/not_shown.yaml.

    Args:
        sets: the set that the trees and the constant learn from, and those to predict.
        output_dir: one folder a row is made in it.
        n_jobs: threads for the trees; changes no result.
        seed: of the trees.

    Raises:
        UserError: a folder without labels, unreadable audio.
    """
    output_dir = Path(output_dir)
    request = {"seed": seed, "rows": sorted(NOTES), "sets": sets.request}
    if is_whole(
        output_dir / "rows.yaml",
        request,
        lambda stamp: (output_dir / name for name in stamp.get("files", [])),
    ):
        return
    # Here: where nothing has changed, scipy and scikit-learn would be most of the time.
    from espnet2_distilmos.report.trees import MEASUREMENTS, predict_from_statistics

    train, tests = sets.train, sets.tests
    rows: Dict[str, dict] = {
        CONSTANT: {name: constant(train.mos, t.mos) for name, t in tests.items()},
        SYSTEM_MEAN: {},
    }
    for row in MEASUREMENTS:
        rows[row] = predict_from_statistics(train, tests, n_jobs, seed, row=row)
    no_oracle = {name: why_no_oracle(t.systems) for name, t in tests.items()}
    for name, data in tests.items():
        if not no_oracle[name]:
            rows[SYSTEM_MEAN][name] = system_mean(data.mos, data.systems)
        else:
            logging.warning(f"{name}: no {SYSTEM_MEAN} row, {no_oracle[name]}")
            shutil.rmtree(output_dir / SYSTEM_MEAN / name, ignore_errors=True)
    write_yaml(
        output_dir / SYSTEM_MEAN / NOT_SHOWN,
        {name: reason for name, reason in no_oracle.items() if reason},
    )
    files = []
    for row, predicted in rows.items():
        for name, values in predicted.items():
            files.append(f"{row}/{name}/utt2mos")
            write_lines(output_dir / files[-1], values)
        if predicted:
            write_text(output_dir / row / NOTE, NOTES[row] + "\n")
        if row in NAMES:
            write_text(output_dir / row / NAME, NAMES[row] + "\n")
    write_stamp(output_dir / "rows.yaml", request, files=files)
