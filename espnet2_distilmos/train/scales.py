"""Further scales of a training: their labels in its data."""

import argparse
import logging
from typing import Any, Dict, List, Optional, Sequence

from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.utils.datadir import read_scores
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.values import to_scale_names


def scales_of(predictor_conf: Any) -> List[str]:
    """Return the names of further scales in `predictor_conf`.

    Raises:
        UserError: no list of names, or a name that no scale can have.
    """
    scales = (predictor_conf or {}).get("scales") or []
    try:
        if not isinstance(scales, (list, tuple)):
            raise ValueError("a list was expected, as in [SIG, BAK]")
        return list(to_scale_names(map(str, scales)))
    except ValueError as e:
        raise UserError(f"predictor_conf scales {scales!r}: {e}") from e


def read_scales(args: argparse.Namespace) -> Dict[str, List[float]]:
    """Return the labels of the training set on each further scale, in order.

    It is told of a scale on which the validation set has no label.

    Raises:
        UserError: no data of labels, or no clip with a label on one of the scales.
    """
    scales = scales_of(args.predictor_conf)
    if not scales:
        return {}
    utt2scores = path_of(args.train_data_path_and_name_and_type, "scores")
    if utt2scores is None:
        raise UserError(
            f"predictor_conf scales {' '.join(scales)}: needs utt2scores of the "
            'training set (./run.sh --scales "..." gives it where stage 1 wrote it)'
        )
    found = _labels(utt2scores, scales)
    missing = [scale for scale in scales if not found[scale]]
    if missing:
        known = {s for labels in read_scores(utt2scores).values() for s in labels}
        raise UserError(
            f"{utt2scores}: no clip has a label on {', '.join(missing)}; there are "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    valid = path_of(args.valid_data_path_and_name_and_type, "scores")
    for scale, labels in _labels(valid, scales).items():
        if not labels:
            logging.warning(f"{scale}: no clip of the validation set has such a label")
    return found


def _labels(path: Optional[str], scales: Sequence[str]) -> Dict[str, List[float]]:
    of_clips = [] if path is None else list(read_scores(path).values())
    return {s: [labels[s] for labels in of_clips if s in labels] for s in scales}
