"""Labels on further scales in a set: those that there are, and those that are not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Dict, List

from espnet2_distilmos.utils.datadir import read_scores
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def labels_on(utt2scores: PathLike, scales: Sequence[str]) -> Dict[str, List[float]]:
    """Return the labels of a set's clips on each of the scales, in order.

    Args:
        utt2scores: the file; a clip may lack a label on any scale.
        scales: their names.

    Raises:
        UserError: no such file, or no clip with a label on one of the scales.
    """
    if not Path(utt2scores).is_file():
        raise UserError(f"{utt2scores}: no such file; it holds the labels of scales")
    of_clips = list(read_scores(utt2scores).values())
    missing = [s for s in scales if not any(s in labels for labels in of_clips)]
    if missing:
        known = sorted({scale for labels in of_clips for scale in labels})
        raise UserError(
            f"{utt2scores}: no clip has a label on {', '.join(missing)}; there are "
            f"{', '.join(known) or 'none'}"
        )
    return {s: [labels[s] for labels in of_clips if s in labels] for s in scales}
