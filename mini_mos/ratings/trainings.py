"""The trainings on human ratings: models x starts x seeds, each over five folds.

Each is a call of the recipe, `./run.sh --folds 5 --stage 5`, on one core. A training of
160 steps takes a minute, and imports of the processes around it would take as long: so
they are forked from a warm one (`mini_mos/warm`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from mini_mos.warm.call import call
from mini_mos.warm.server import CLIENT, PRODUCTS, warm_python

OWN = "conf/tuning/train_distilmos_own_whisper_tiny.yaml"
FOLDS = 5
CV = f"cv{FOLDS}_system"  # what the recipe calls them, below dump/ and exp/

# Half of the score is the probe's, so that the decoder's part can be told from it
# (`shares.py`); the preset has more of the probe, for what these trainings showed.
_SHARE = ("--predictor_conf", "readout_weight=0.5")
# Model -> its training's configuration, and what differs from it.
MODELS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "distilmos": (OWN, _SHARE),
    "notokens": (OWN, (*_SHARE, "--loss_conf", "token_weight=0")),
    "sslmos": ("conf/tuning/train_sslmos_own_whisper_tiny.yaml", ()),
}
STARTS = ("upstream", "main")
# Of another model only what knows neither its scale nor its clusters; the readout is
# the linear probe of the fold.
_NOT_TAKEN = ",".join(
    f"network.predictor.{part}" for part in ("readout", "token_heads", "decoder")
)
_UPSTREAM = "network.upstream.model"  # all that SSL-MOS has of another model
# Less than the preset's 400 steps of 17.5 s, so that 300 trainings take hours.
_BUDGET = (
    *("--max_epoch", "4", "--min_steps", "160", "--keep_nbest_models", "2"),
    *("--batch_bins", "140000", "--num_threads", "1", "--num_workers", "0"),
)


@dataclass(frozen=True)
class Training:
    """The trainings of all folds.

    Attributes:
        model: of `MODELS`.
        start: of `STARTS`.
        seed: of the trainings.
    """

    model: str
    start: str
    seed: int

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"{self.model}_{self.start}_s{self.seed}"

    @property
    def predictions(self) -> Path:
        """Return the scores of all clips, each by the model of its fold."""
        return Path("exp", CV, f"mos_{self.name}", "inference", CV, "utt2mos")

    def train_args(self, main_model: Path) -> List[str]:
        """Return the options of training.

        Args:
            main_model: checkpoint that the start `main` takes.
        """
        options = [*_BUDGET, "--seed", str(self.seed), *MODELS[self.model][1]]
        if self.start == "main":
            part = f"::{_NOT_TAKEN}" if self.model != "sslmos" else ""
            part = part or f"{_UPSTREAM}:{_UPSTREAM}"
            options += ["--init_param", f"{main_model}:{part}"]
        return options

    def command(self, main_model: Path, python: str) -> List[str]:
        """Return the call of the recipe.

        Args:
            main_model: see :meth:`train_args`.
            python: what runs Python.
        """
        return [
            *("./run.sh", "--folds", str(FOLDS), "--stage", "5", "--stop_stage", "6"),
            *("--python", python, "--ngpu", "0", "--nj", "1", "--inference_nj", "1"),
            *("--reference_rows", "false", "--train_config", MODELS[self.model][0]),
            *("--tag", self.name, "--inference_tag", "inference"),
            *("--inference_model", "valid.mos_loss.ave.pth"),
            *("--train_args", " ".join(self.train_args(main_model))),
        ]


def plan(seeds: Sequence[int]) -> List[Training]:
    """Return all trainings, those of the first seed first."""
    return [
        Training(model, start, seed)
        for seed in seeds
        for start in STARTS
        for model in MODELS
    ]


def run_all(trainings: Sequence[Training], main_model: Path) -> None:
    """Do what is not done: the recipe knows itself what is whole.

    Args:
        trainings: of the recipe in the working directory.
        main_model: checkpoint that the start `main` takes.

    Raises:
        UserError: no folds, no such checkpoint, or a training that fails; its log is
            named.
    """
    for file, before in (
        (Path("dump", CV, "folds.yaml"), "call ./run.sh --folds 5 --stop_stage 4"),
        (main_model, "the main job of mini_mos makes it"),
    ):
        if not file.is_file():
            raise UserError(f"{file}: no such file; {before}")
    logs = Path("exp", CV, "logs")
    with warm_python(logs) as env:
        # Training multiplies matrices in bfloat16 where the processor can, as on a GPU
        # with AMP: a fifth less time. Probe and scores are of float32.
        env = {**env, PRODUCTS: "bf16"}
        for i, training in enumerate(trainings, 1):
            logging.info(f"{i} of {len(trainings)}: {training.name}")
            command = training.command(main_model, str(CLIENT))
            call(command, logs / f"{training.name}.log", env)


def copy_predictions(trainings: Sequence[Training], output_dir: PathLike) -> None:
    """Copy the scores of trainings that are done to `<output_dir>/<name>/utt2mos`."""
    for training in trainings:
        scores = read_floats(training.predictions)
        write_lines(Path(output_dir, training.name, "utt2mos"), scores)
