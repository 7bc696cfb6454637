"""Further scales of a training: their labels in its data."""

import argparse
import logging
from typing import Any, Dict, List

from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.utils.datadir import read_scores
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.scales import labels_on
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
    found = labels_on(utt2scores, scales)
    valid = path_of(args.valid_data_path_and_name_and_type, "scores")
    of_clips = [] if valid is None else list(read_scores(valid).values())
    for scale in scales:
        if not any(scale in labels for labels in of_clips):
            logging.warning(f"{scale}: no clip of the validation set has such a label")
    return found
