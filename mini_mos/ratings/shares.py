"""Scores with another share of the linear probe, from those that were predicted.

A model with `readout: statistics` scores share x probe + (1 - share) x decoder, and its
training does not depend on the share (only the choice of the checkpoint does, which
validates by the mean). So the scores of every share follow from one and the probe's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Dict

from espnet2_distilmos.utils.datadir import read_floats, require_same_ids, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def with_share(
    scores: Mapping[str, float], probe: Mapping[str, float], old: float, new: float
) -> Dict[str, float]:
    """Return the scores of a model in which the probe has another share.

    Args:
        scores: ID -> score, with the share `old`, below 1.
        probe: ID -> score of the probe alone.
        old: share of the probe in `scores`.
        new: share that it gets.
    """
    kept = (1 - new) / (1 - old)
    return {
        utt: probe[utt] + kept * (score - probe[utt]) for utt, score in scores.items()
    }


def write_shares(
    folder: PathLike, probe_dir: PathLike, output_dir: PathLike, old: float, new: float
) -> int:
    """Write the scores of all trainings of a folder with another share of the probe.

    Args:
        folder: `<name>_s<seed>/utt2mos`. SSL-MOS, which has no readout, is left out.
        probe_dir: folder with `utt2mos` of the probe alone.
        output_dir: where `<name>_s<seed>/utt2mos` are written.
        old: share of the probe in these scores.
        new: share that it gets.

    Returns:
        the number of trainings.

    Raises:
        UserError: no training, or IDs that differ from the probe's.
    """
    probe = read_floats(Path(probe_dir, "utt2mos"))
    files = [
        file
        for file in sorted(Path(folder).glob("*_s[0-9]*/utt2mos"))
        if not file.parent.name.startswith("sslmos")
    ]
    if not files:
        raise UserError(f"{folder}: no <name>_s<seed>/utt2mos with a readout")
    for file in files:
        scores = read_floats(file)
        require_same_ids({str(file): scores, f"{probe_dir}/utt2mos": probe})
        shared = with_share(scores, probe, old, new)
        target = Path(output_dir, file.parent.name, "utt2mos")
        write_lines(target, {utt: f"{y:.5f}" for utt, y in shared.items()})
    return len(files)
