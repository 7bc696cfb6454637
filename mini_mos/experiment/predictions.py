"""All sets of a run predicted by one process, and shared out again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Dict

from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from mini_mos.experiment.place import Place
from mini_mos.experiment.plan import Run


def _wavs(place: Place, run: Run, name: str) -> Mapping[str, str]:
    return DataDir.load(place.dump(run.train_set) / "raw" / name).wavs


def join_sets(place: Place, run: Run) -> Path:
    """Write a wav.scp with the clips of all sets of `run`; return its path.

    Raises:
        UserError: two sets have a clip of the same name.
    """
    joined: Dict[str, str] = {}
    for name in run.sets:
        wavs = _wavs(place, run, name)
        both = joined.keys() & wavs.keys()
        if both:
            raise UserError(f"{name}: {min(both)} is in another set, too")
        joined.update(wavs)
    path = place.run_dir(run) / "wav.scp"
    write_lines(path, dict(sorted(joined.items())))
    return path


def share_out(place: Place, run: Run, mos: Mapping[str, float]) -> Path:
    """Write <set>/utt2mos of every set of `run`; return the folder.

    Raises:
        UserError: a clip has no prediction.
    """
    folder = place.run_dir(run) / "predictions"
    for name in run.sets:
        wavs = _wavs(place, run, name)
        absent = [utt for utt in wavs if utt not in mos]
        if absent:
            raise UserError(f"{folder}: no prediction of {len(absent)}: {absent[0]}")
        write_lines(folder / name / "utt2mos", {utt: mos[utt] for utt in wavs})
    return folder
