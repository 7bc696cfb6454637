"""Predictions on further scales: figures and pictures of each, as of the MOS."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Dict

from espnet2_distilmos.report.rows import read_scores
from espnet2_distilmos.report.scored import draw_scatter, score_folder
from espnet2_distilmos.report.tables import HEADER, LEVELS, level_cells, markdown_table
from espnet2_distilmos.utils import datadir
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import is_whole, write_stamp

SCORES = "utt2scores"
# Below the folder of a set's predictions: a folder a scale, where scored_sets of
# rows.py does not look for sets.
FOLDER = "scales"
# In the folder of a scale: the labelled clips, as a set.
LABELLED = "labelled"


def score_scales(
    folder: PathLike,
    data_dir: PathLike,
    title: str,
    predicted: Labels,
    draw: bool = True,
) -> None:
    """Score and draw `<folder>/utt2scores` against a set's, scale by scale.

    Each scale of both has a folder `<folder>/scales/<scale>` with what the set's folder
    has for the MOS: `utt2mos`, `scores.json`, `scores.txt` and `scatter.png`. They are
    of the clips that have such a label, which are a set in `labelled/`.

    Args:
        folder: of the predictions.
        data_dir: the set.
        title: heading of the pictures.
        predicted: what the model was trained to predict.
        draw: whether to draw `scatter.png`.

    Raises:
        UserError: a malformed file, or clips that were not predicted.
    """
    folder, data_dir = Path(folder), Path(data_dir)
    there = (folder / SCORES).exists()
    scores = datadir.read_scores(folder / SCORES) if there else {}
    scales = dict.fromkeys(s for of_clip in scores.values() for s in of_clip)
    for old in (folder / FOLDER).glob("*/"):
        if old.name not in scales:  # of another model
            shutil.rmtree(old)
    if not scales:
        return
    data = DataDir.load(data_dir)
    files = [folder / SCORES, *(data_dir / name for name in datadir.DATA_FILES)]
    request = {"made_of": [sha256_file(file) for file in files if file.exists()]}
    for scale in scales:
        known = data.scores or {}
        labels = {u: known[u][scale] for u in known if scale in known[u]}
        if not labels:
            logging.info(
                f"{title}: no clip has a label on {scale}, so no figures of it"
            )
            continue
        missing = [utt for utt in labels if scale not in scores.get(utt, {})]
        if missing:
            raise UserError(
                f"{folder / SCORES}: no {scale} of {missing[0]}; predict the set again"
            )
        place = folder / FOLDER / scale
        Labels.beside(data_dir).of_scale(scale).carry(place / LABELLED)
        part = data.subset(list(labels))
        part.mos, part.scores, part.ratings = labels, None, None
        _write(place, part, {u: scores[u][scale] for u in labels}, request)
        of_scale = predicted.of_scale(scale)
        if score_folder(place, place / LABELLED, predicted=of_scale):
            logging.info(f"Scored: {place}")
        if draw:
            words = (f"{title}, {scale}", of_scale.axis if predicted else scale)
            draw_scatter(place, place / LABELLED, *words)


def _write(
    place: Path, part: DataDir, scores: Dict[str, float], request: Dict[str, Any]
) -> None:
    """Write predictions and labels of a scale, unless they are current."""
    stamp = place / "labelled.yaml"
    made = (place / "utt2mos", place / LABELLED / "utt2mos")
    if not is_whole(stamp, request, lambda _: made):
        write_lines(place / "utt2mos", scores)
        part.save(place / LABELLED)
        write_stamp(stamp, request)


def scale_scores(folder: Path) -> Dict[str, Dict[str, Any]]:
    """Return scale -> `scores.json` of those that :func:`score_scales` has written."""
    files = sorted((folder / FOLDER).glob("*/scores.json"))
    return {file.parent.name: read_scores(file) for file in files}


def scale_table(folders: Mapping[str, Path]) -> str:
    """Return a table of the further scales of a set; empty where there are none.

    Args:
        folders: name of a model -> folder of its predictions.
    """
    found = [
        (scale, name, scores)
        for name, folder in folders.items()
        for scale, scores in scale_scores(folder).items()
    ]
    if not found:
        return ""
    lines = [
        [scale, level_name, name, *level_cells(scores, level)]
        for scale, name, scores in sorted(found, key=lambda line: line[0])
        for level, level_name in LEVELS.items()
    ]
    table = markdown_table(["scale", "level", "model", *HEADER], lines)
    return f"\nFurther scales, of the clips with such a label:\n\n{table}"
