"""Where the experiment runs, and what lies where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import List

from mini_mos.experiment.protocol import Protocol
from mini_mos.experiment.runs import Run, train_args
from mini_mos.experiment.sets import SETS

MODEL = "valid.srcc.best.pth"


@dataclass(frozen=True)
class Place:
    """Folders of the recipe in the working directory, and what every run is given.

    Attributes:
        expdir: results of the experiment.
        dumpdir: audio and tokens.
        data: data directories of the experiment's corpus.
        python: what runs Python.
        env: variables besides this process' own.
        ngpu: GPUs a run.
    """

    expdir: Path
    dumpdir: Path
    data: Path
    python: str = "python3"
    env: Mapping[str, str] = field(default_factory=dict)
    ngpu: int = 0

    def run_dir(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.expdir / run.part / f"mos_{run.name}"

    def predictions(self, run: Run) -> Path:
        """Return the folder with `<set>/utt2mos` of a run."""
        return self.run_dir(run) / "inference"

    def dump(self, part: str) -> Path:
        """Return formatted audio, frames and tokens of a part of the experiment.

        Tokens are learned from the very clips that are trained on, so parts do not
        share them.
        """
        return self.dumpdir / part

    def kmeans(self, protocol: Protocol, part: str) -> Path:
        """Return where distilmos.sh keeps the centroids of plain states."""
        ssl = self.dump(part) / "ssl" / Path(protocol.upstream).stem
        return ssl / f"kmeans_{protocol.n_clusters}"


def recipe_options(
    place: Place, protocol: Protocol, part: str, recipe: str
) -> List[str]:
    """Return the options that every call of distilmos.sh has."""
    sets = SETS[part]
    return [
        *("./distilmos.sh", "--python", place.python, "--ngpu", str(place.ngpu)),
        *("--nj", "2", "--inference_nj", "2", "--upstream", protocol.upstream),
        *("--max_frames", str(protocol.max_frames)),
        *("--n_clusters", str(protocol.n_clusters), *recipe.split()),
        *("--train_set", sets.train, "--valid_set", sets.valid),
        *("--test_sets", " ".join(sets.scored)),
        *("--dumpdir", str(place.dump(part)), "--expdir", str(place.expdir / part)),
        *("--level_sets", "none"),
    ]


def training_options(place: Place, protocol: Protocol, run: Run) -> List[str]:
    """Return the call of distilmos.sh that trains a run, without its stages."""
    arm = protocol.arms[run.arm]
    return [
        *recipe_options(place, protocol, run.part, arm.recipe),
        *("--train_config", arm.config or protocol.train_config),
        *("--tag", run.name, "--train_args", train_args(protocol, run)),
    ]
