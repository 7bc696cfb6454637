"""The linear probe: what a ridge regression reads off the frozen upstream.

A model that does not beat the probe of its own upstream has gained nothing by training.
The features, mean and deviation over time of all hidden states, come from a later room
(:mod:`espnet2_distilmos.tokens.layer_statistics`): here they are arrays in files.
"""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from espnet2_distilmos.report.rows import NAME, NOTE
from espnet2_distilmos.report.sets import LabelledSets, differ
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, write_text
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted

LINEAR_PROBE = "linear_probe"
STAMP = "row.yaml"
_NOTE = (
    "Ridge regression on mean and deviation over time of all hidden states of the "
    "frozen upstream {name}, standardised, fitted to the training set; its strength "
    "was chosen there by cross-validation ({folds}). No fine-tuning: what training has "
    "to beat."
)


class ProbeRow:
    """The row of one upstream: `<output_dir>/linear_probe_<name>/`.

    Args:
        sets: the training set and the test sets.
        output_dir: folder of the rows.
        name: what the upstream is called.
        features_of: what the features depend on: set -> plain types.
        seed: of the folds.
    """

    def __init__(
        self,
        sets: LabelledSets,
        output_dir: PathLike,
        name: str,
        features_of: Mapping[str, Any],
        seed: int = 0,
    ):
        self.sets, self.name, self.seed = sets, name, seed
        self.folder = Path(output_dir) / f"{LINEAR_PROBE}_{name}"
        self.stamp = self.folder / STAMP
        self.request = {
            "seed": seed,
            "data": sets.request,
            "features": dict(features_of),
        }

    def is_whole(self) -> bool:
        """Whether the row is there and of these very sets and features."""
        return is_whole(
            self.stamp,
            self.request,
            lambda stamp: (self.folder / name for name in stamp.get("files", [])),
        )

    def write(self, features: Mapping[str, PathLike], n_jobs: int = 2) -> None:
        """Fit the regression, and write `<set>/utt2mos`, names and the stamp.

        Args:
            features: set -> `.npy` with (clips, F) in the order of `wav.scp`; that of
                the training set under its folder's name.
            n_jobs: threads.

        Raises:
            UserError: an array that is missing, or does not fit its set.
        """
        from espnet2_distilmos.scoring.ridge import fit_ridge

        train = self.sets.train
        groups = None if train.systems is None else list(train.systems.values())
        folds = "grouped by system"
        if groups is None or len(set(groups)) < 2:
            folds = "over single clips, since it has no two systems"
            logging.warning(f"{self.sets.train_dir}: linear probe: folds {folds}")
        model = fit_ridge(
            _read(features[self.sets.train_name], len(train.wavs)),
            list((train.mos or {}).values()),
            groups,
            self.seed,
            n_jobs,
        )
        files = []
        for name, data in self.sets.tests.items():
            values = model.predict(_read(features[name], len(data.wavs)))
            files.append(f"{name}/utt2mos")
            write_lines(
                self.folder / files[-1],
                dict(zip(data.wavs, map(float, values), strict=True)),
            )
        write_text(self.folder / NAME, f"linear probe (upstream {self.name})\n")
        write_text(self.folder / NOTE, _NOTE.format(name=self.name, folds=folds) + "\n")
        write_stamp(
            self.stamp,
            self.request,
            files=files,
            strength=model.strength,
            held_out_mse=[round(error, 6) for error in model.errors],
            n_features=len(model.weights),
        )


def _read(path: PathLike, n: int):
    array = read_array(path, mapped=True)
    if len(array) != n:
        raise UserError(
            f"{path}: {counted(len(array), 'clip')}, but the set has {n}; delete its "
            "folder and run stage 6 again"
        )
    return array


def remove_outdated_probes(
    sets: LabelledSets, output_dir: PathLike, keep: Optional[ProbeRow] = None
) -> None:
    """Remove the probes of other upstreams that were made of other clips or labels.

    They would stand in the table as if they were of these sets.

    Args:
        sets: as they are now.
        output_dir: folder of the rows.
        keep: the row that is made anew anyway.
    """
    for folder in sorted(Path(output_dir).glob(f"{LINEAR_PROBE}_*")):
        if keep is not None and folder == keep.folder:
            continue
        stamp = folder / STAMP
        if stamp.exists():
            made_of = (read_yaml(stamp).get("request") or {}).get("data")
            if isinstance(made_of, dict) and not differ(made_of, sets.request):
                continue
            stamp.unlink()  # first: it says that the rest is whole
        logging.warning(
            f"{folder}: removed, not whole or made of other clips or labels; stage 6 "
            "with its --upstream makes it again"
        )
        shutil.rmtree(folder)
