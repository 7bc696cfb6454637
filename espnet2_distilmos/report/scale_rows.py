"""Rows to compare with on further scales: the constant, and the linear probe."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from espnet2_distilmos.report.constant import CONSTANT
from espnet2_distilmos.report.further_scales import SCORES, score_scales
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from espnet2_distilmos.utils.values import from_scores

STAMP = "scales.yaml"
# Clips of the training set and their labels on a scale -> set -> a value a clip.
Predict = Callable[[List[int], List[float]], Dict[str, np.ndarray]]


def write_scale_rows(
    sets: LabelledSets,
    rows_dir: PathLike,
    features: Mapping[str, Mapping[str, Path]],
    seed: int = 0,
) -> None:
    """Write and score what rows say on the further scales of the training set.

    `<rows_dir>/<row>/<set>/utt2scores` stands beside the row's `utt2mos`, and its
    figures where :func:`.further_scales.score_scales` puts them. A row learns a scale
    from the clips that have such a label.

    Args:
        sets: the set that the rows learn from, and those to predict.
        rows_dir: folder of the rows.
        features: folder of a linear probe's row -> set -> `statistics.npy`, that of the
            training set under its name.
        seed: of the probe's folds.

    Raises:
        UserError: a file that cannot be read.
    """
    if sets.train.scores is None:
        return
    rows: Dict[str, Predict] = {
        CONSTANT: lambda _, labels: {
            name: np.full(len(test.wavs), np.mean(labels))
            for name, test in sets.tests.items()
        }
    }
    for row, of_sets in features.items():
        rows[row] = _probe(sets, of_sets, seed)
    learnt = Labels.beside(sets.train_dir)
    for row, predict in rows.items():
        folder = Path(rows_dir) / row
        of_row = features.get(row, {})
        made_of = {n: sha256_file(f.with_suffix(".yaml")) for n, f in of_row.items()}
        _write(sets, folder, predict, {"features": made_of, "seed": seed})
        for name, data_dir in sets.test_dirs.items():
            score_scales(folder / name, data_dir, name, learnt, draw=False)


def _probe(sets: LabelledSets, features: Mapping[str, Path], seed: int) -> Predict:
    from espnet2_distilmos.scoring.ridge import fit_ridge

    def predict(clips: List[int], labels: List[float]) -> Dict[str, np.ndarray]:
        array = read_array(features[sets.train_name], mapped=True)
        systems = list((sets.train.systems or {}).values())
        groups = [systems[i] for i in clips] if systems else None
        model = fit_ridge(array[clips], labels, groups, seed)
        return {
            name: model.predict(read_array(features[name], mapped=True))
            for name in sets.tests
        }

    return predict


def _write(
    sets: LabelledSets, folder: Path, predict: Predict, more: Mapping[str, Any]
) -> None:
    """Write a row's predictions, unless they are current."""
    request: Dict[str, Any] = {
        "sets": sets.request,
        "labels": sha256_file(sets.train_dir / SCORES),
        **more,
    }
    files = [folder / name / SCORES for name in sets.test_dirs]
    if is_whole(folder / STAMP, request, lambda _: files):
        return
    labels = list((sets.train.scores or {}).values())
    found: Dict[str, Dict[str, Dict[str, float]]] = {
        name: {utt: {} for utt in test.wavs} for name, test in sets.tests.items()
    }
    for scale in dict.fromkeys(s for of_clip in labels for s in of_clip):
        clips = [i for i, of_clip in enumerate(labels) if scale in of_clip]
        values = predict(clips, [labels[i][scale] for i in clips])
        for name, of_clips in values.items():
            for utt, value in zip(found[name], of_clips, strict=True):
                found[name][utt][scale] = float(value)
        logging.info(f"{folder}: {scale}, learnt from {counted(len(clips), 'clip')}")
    for name, of_set in found.items():
        texts = {utt: from_scores(scores) for utt, scores in of_set.items()}
        write_lines(folder / name / SCORES, texts)
    write_stamp(folder / STAMP, request)
