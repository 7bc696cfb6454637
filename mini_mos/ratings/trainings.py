"""The trainings on human ratings: models x starts x seeds x folds, one process a core.

A training of 160 steps on one core takes a minute, and its imports nearly as long. So
one process imports them once and forks for every training. It calls the commands of
stages 5 and 6, with the options that the recipe gives them.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set, Tuple

from espnet2_distilmos.report.out_of_fold import combine_predictions
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.folds import Folds

OWN = "conf/tuning/train_distilmos_own_whisper_tiny.yaml"
UPSTREAM = "conf/upstream/whisper_tiny_en.yaml"
N_CLUSTERS = 50
FOLDS = 5
CV = f"cv{FOLDS}_system"  # what the recipe calls them, below dump/ and exp/

# Half of the score is the probe's, so that the decoder's part can be told from it
# (`shares.py`); the preset has more of the probe, for what these trainings showed.
SHARE = ("--predictor_conf", "readout_weight=0.5")
# Model -> its training's configuration, and what differs from it.
MODELS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "distilmos": (OWN, SHARE),
    "notokens": (OWN, (*SHARE, "--loss_conf", "token_weight=0")),
    "sslmos": ("conf/tuning/train_sslmos_own_whisper_tiny.yaml", ()),
}
STARTS = ("upstream", "main")
# Of another model only what knows neither its scale nor its clusters; the readout is
# the linear probe of the fold.
NOT_TAKEN = ",".join(
    f"network.predictor.{part}" for part in ("readout", "token_heads", "decoder")
)
# Less than the preset's 400 steps of 17.5 s, so that 300 trainings take hours.
BUDGET = (
    *("--max_epoch", "4", "--min_steps", "160", "--keep_nbest_models", "2"),
    *("--batch_bins", "140000", "--num_threads", "1", "--num_workers", "0"),
)


@dataclass(frozen=True)
class Training:
    """One training of a fold.

    Attributes:
        model: of `MODELS`.
        start: of `STARTS`.
        seed: of the training.
        fold: from 1.
    """

    model: str
    start: str
    seed: int
    fold: int

    @property
    def name(self) -> str:
        """Return what all folds of this training are called."""
        return f"{self.model}_{self.start}_s{self.seed}"

    @property
    def has_readout(self) -> bool:
        """Return whether the linear probe is a part of the score."""
        return self.model != "sslmos"

    @property
    def raw(self) -> Path:
        """Return the folder of the fold's sets."""
        return Path("dump", CV, f"fold{self.fold}", "raw")

    @property
    def exp(self) -> Path:
        """Return the folder of the fold's experiments."""
        return Path("exp", CV, f"fold{self.fold}")

    @property
    def probe(self) -> Path:
        """Return the linear probe of the fold, which every readout is."""
        return self.exp / "probe" / "probe.pth"

    @property
    def output(self) -> Path:
        """Return the folder of this training."""
        return self.exp / f"mos_{self.name}"

    @property
    def predictions(self) -> Path:
        """Return the scores of the clips that the fold tests."""
        return self.output / "inference" / "test" / "utt2mos"

    def data_options(self) -> List[str]:
        """Return the options of stage 5 that name data."""
        config, changes = MODELS[self.model]
        options = ["--config", config, "--upstream_config", UPSTREAM]
        kmeans = self.raw.parent / "ssl/whisper_tiny_en" / f"kmeans_{N_CLUSTERS}"
        tokens = self.model == "distilmos"
        for part in ("train", "valid"):
            files = [
                f"{self.raw}/{part}/wav.scp,speech,sound",
                f"{self.raw}/{part}/utt2mos,mos,text_float",
                f"{self.raw}/{part}/utt2sys_id,system,text_int",
            ]
            if tokens:
                files.append(f"{kmeans}/{part}/tokens.scp,tokens,kaldi_ark")
            for file in files:
                options += [f"--{part}_data_path_and_name_and_type", file]
            shapes = f"{self.exp}/stats_train_valid/{part}/speech_shape"
            options += [f"--{part}_shape_file", shapes]
        if tokens:
            options += ["--token_provenance", f"{kmeans}/provenance.yaml"]
        return [
            *(*options, "--label_conf", f"{self.raw}/train/labels.yaml"),
            *("--output_dir", str(self.output), "--resume", "true"),
            *(*BUDGET, "--seed", str(self.seed), *changes),
        ]

    def init_options(self, main_model: Path) -> List[str]:
        """Return `--init_param` and what the training is started from."""
        files = [str(self.probe)] if self.has_readout else []
        if self.start == "main":
            part = "network.upstream.model"  # all that SSL-MOS has of it
            spec = f":::{NOT_TAKEN}" if self.has_readout else f":{part}:{part}"
            files.insert(0, f"{main_model}{spec}")
        return ["--init_param", *files] if files else []


def plan(seeds: int) -> List[Training]:
    """Return all trainings, those of the first seed first."""
    return [
        Training(model, start, seed, fold)
        for seed in range(seeds)
        for start in STARTS
        for model in MODELS
        for fold in range(1, FOLDS + 1)
    ]


def run_all(trainings: Sequence[Training], main_model: Path) -> None:
    """Do what is not done, each training in a process of its own.

    Every command knows itself what is whole, and refuses what another start, other
    tokens or other labels have made.

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
    _import_once()
    fitted: Set[int] = set()
    for i, training in enumerate(trainings, 1):
        logging.info(f"{i} of {len(trainings)}: {training.output}")
        training.output.mkdir(parents=True, exist_ok=True)
        if training.has_readout and training.fold not in fitted:
            _fit_probe(training)
            fitted.add(training.fold)
        _train_and_score(training, main_model)


def join_folds(trainings: Sequence[Training], output_dir: Optional[PathLike]) -> None:
    """Write the predictions of all folds of each model, start and seed as one utt2mos.

    Args:
        trainings: all folds of some models, done.
        output_dir: folder for copies, `<name>/utt2mos`; None = none.

    Raises:
        UserError: a clip that no fold or two folds have predicted.
    """
    folds = Folds.read(Path("dump", CV))
    by_name: Dict[str, List[Path]] = {}
    for training in trainings:
        by_name.setdefault(training.name, []).append(training.predictions.parent)
    for name, folders in by_name.items():
        scores = combine_predictions(folds, folders)
        targets = [Path("exp", CV, f"mos_{name}", "inference", CV)]
        targets += [] if output_dir is None else [Path(output_dir, name)]
        for target in targets:
            write_lines(target / "utt2mos", scores)


def _fit_probe(training: Training) -> None:
    from espnet2_distilmos.bin import fit_probe

    training.probe.parent.mkdir(exist_ok=True)
    features = training.exp / "reference_rows/layer_statistics/whisper_tiny_en"
    options = [
        *("--data_dir", str(training.raw / "train"), "--seed", "0"),
        *("--output", str(training.probe), "--features_dir", str(features)),
        *("--nj", "1", "--ngpu", "0", "--", *training.data_options()),
    ]
    _in_child(fit_probe.main, options, training.probe.parent / "fit.log")


def _train_and_score(training: Training, main_model: Path) -> None:
    from espnet2_distilmos.bin import distilmos_inference, distilmos_train

    options = [*training.data_options(), *training.init_options(main_model)]
    options += ["--ngpu", "0"]
    log = training.output / "train.log"
    _in_child(distilmos_train.main, options, log, products="bf16")
    options = [
        *("--config", "conf/inference.yaml", "--ngpu", "0"),
        *("--root", str(training.raw), "--data_dirs", str(training.raw / "test")),
        *("--train_config", str(training.output / "config.yaml")),
        *("--model_file", str(training.output / "valid.mos_loss.ave.pth")),
        *("--output_dir", str(training.predictions.parent.parent)),
    ]
    log = training.output / "inference.log"
    _in_child(distilmos_inference.main, options, log)


def _import_once() -> None:
    import torch

    import espnet2_distilmos.inference.engine  # noqa: F401
    import espnet2_distilmos.tasks.begin  # noqa: F401
    import espnet2_distilmos.tasks.distilmos  # noqa: F401

    # A pool of threads does not live through a fork.
    torch.set_num_threads(1)


def _in_child(
    main: Callable, options: List[str], log: Path, products: str = "ieee"
) -> None:
    import torch

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with log.open("w") as file:
                print("#", *options, file=file, flush=True)
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            logging.getLogger().handlers.clear()
            # Training multiplies matrices in bfloat16 where the processor can, as on a
            # GPU with AMP: a fifth less time. Probe and scores are of float32.
            for part in ("matmul", "conv"):
                backend = getattr(torch.backends.mkldnn, part, None)
                if backend is not None:  # torch before 2.9: all is of float32
                    backend.fp32_precision = products
            main(options)
            code = 0
        except SystemExit as e:
            code = 0 if e.code is None else e.code if isinstance(e.code, int) else 1
        except BaseException:  # told in the log, and by the code
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise UserError(f"{main.__module__} failed; its log: {log}")
