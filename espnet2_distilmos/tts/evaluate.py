"""Scores of one decode folder, in the files of ESPnet's `evaluate_pseudomos.py`."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from espnet2_distilmos.inference.inputs import collect_clips
from espnet2_distilmos.packs.about import labels_of
from espnet2_distilmos.packs.locate import (
    locate_model,
    model_files,
    model_name,
    model_of,
)
from espnet2_distilmos.packs.onnx_scan import is_onnx
from espnet2_distilmos.tts.results import AVERAGE, PROVENANCE, SCORES, Scores, finish
from espnet2_distilmos.utils.audio import is_silent
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    folder_lock,
    require_output,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import fingerprint, is_whole

if TYPE_CHECKING:
    from espnet2_distilmos.inference.engine import DistilMOSInference


def utterances(path: PathLike) -> Dict[str, str]:
    """Return ID -> audio file, of a folder or of a `wav.scp`.

    In a folder (with all below it) the ID is the file's name without its suffix.

    Raises:
        UserError: no such path, no audio, two files with one ID, or an ID with blanks.
    """
    if not Path(path).is_dir():
        return read_wav_scp(path, strict=False)
    files: Dict[str, str] = {}
    for clip in collect_clips([path]):
        utt = Path(clip.path).stem
        if utt in files:
            raise UserError(
                f"{files[utt]} and {clip.path}: both would be {utt}; give a wav.scp"
            )
        if len(utt.split()) != 1:
            raise UserError(f"{clip.path}: an ID has no spaces; give a wav.scp")
        files[utt] = clip.path
    return files


def default_outdir(path: PathLike) -> Path:
    """Return where results go: the folder, or the one that holds the `wav.scp`."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


class Evaluator:
    """Scores decode folders with one model, which is loaded when first needed.

    Args:
        model_tag: see :func:`espnet2_distilmos.packs.locate.locate_model`.
        train_config: `config.yaml` of `model_file`; None = beside it.
        model_file: a checkpoint, instead of `model_tag`.
        device: as for the engine; where there is no CUDA, the CPU is taken instead, as
            ESPnet's script does.
        batch_seconds, batch_size: audio or clips a batch; None = as suits the device.
            Neither changes a score.
        num_workers: threads that read audio.

    Raises:
        UserError: no such model, or both ways to name one.
    """

    def __init__(
        self,
        model_tag: Optional[str] = None,
        train_config: Optional[PathLike] = None,
        model_file: Optional[PathLike] = None,
        device: str = "auto",
        batch_size: Optional[int] = None,
        num_workers: int = 2,
        batch_seconds: Optional[float] = None,
    ):
        if model_file is None:
            if train_config is not None:
                raise UserError("train_config needs model_file")
            self.model = locate_model(model_tag)
            self._read = model_files(model_tag)
        elif model_tag is not None:
            raise UserError("model_tag and model_file: only one of them, please")
        else:
            self.model = model_of(train_config, model_file)
            self._read = list(self.model)
        for file in self.model:
            if not file.is_file():
                raise UserError(f"{file}: no such file")
        self.labels = labels_of(self.model)
        self.name = model_name(model_file or model_tag)
        self.identity = {
            "config_sha256": sha256_file(self.model[0]),
            "model_sha256": sha256_file(self.model[1]),
        }
        self.device, self.num_workers = device, num_workers
        self.batch: Dict[str, Any] = {
            "batch_seconds": batch_seconds,
            "batch_size": batch_size,
        }
        self._engine: Optional[DistilMOSInference] = None

    def __call__(
        self,
        path: PathLike,
        outdir: Optional[PathLike] = None,
        jsonl: Optional[PathLike] = None,
        files: Optional[Mapping[str, str]] = None,
    ) -> Path:
        """Score a folder or a `wav.scp`; what is whole is not made again.

        Args:
            path: folder of audio, or a Kaldi list of it.
            outdir: folder for the results; None = :func:`default_outdir`.
            jsonl: file for VERSA's JSON lines.
            files: :func:`utterances` of `path`, where they are known.

        Returns:
            The folder with the results.

        Raises:
            UserError: bad input; or, when all else is written, clips without a score.
        """
        outdir = default_outdir(path) if outdir is None else Path(outdir)
        files = utterances(path) if files is None else files
        self.require_outputs(outdir, jsonl, path, *files.values())
        request = {**self.identity, "audio": fingerprint(files)}
        with folder_lock(outdir):
            made = [outdir / SCORES, outdir / AVERAGE, *([jsonl] if jsonl else [])]
            if is_whole(outdir / PROVENANCE, request) and all(
                map(os.path.exists, made)
            ):
                return outdir
            scores = self.score(files)
            finish(outdir, scores, request, self.name, self.labels, jsonl)
        return outdir

    def require_outputs(
        self, outdir: PathLike, jsonl: Optional[PathLike], *inputs: PathLike
    ) -> None:
        """Refuse results that would replace the model, other inputs or each other.

        Args:
            outdir: folder for the results.
            jsonl: file for VERSA's JSON lines, or None.
            inputs: what else is read.

        Raises:
            UserError: one of the results would.
        """
        made = [Path(outdir) / name for name in (SCORES, AVERAGE, PROVENANCE)]
        for file in made:
            require_output(file, *inputs, *self._read)
        if jsonl is not None:
            require_output(jsonl, *inputs, *self._read, outputs=made)

    def score(self, files: Mapping[str, str]) -> Scores:
        """Score audio files by ID; odd clips and bad ones are logged."""
        scores = Scores()
        results = self.engine().score_files(files.values(), self.num_workers)
        for utt, result in zip(files, results):
            if result["mos"] is None:
                scores.failed[utt] = result["error"]
                logging.error(f"{utt}: not scored: {result['error']}")
                continue
            scores.mos[utt] = result["mos"]
            logging.debug(f"{utt} {result['mos']:.4f}")
            for text in result["warnings"]:
                logging.warning(f"{utt}: {text}")
            if is_silent(result["warnings"]):
                scores.silent[utt] = "; ".join(result["warnings"])
        if scores.silent:
            logging.warning(
                f"{len(scores.silent)} silent, whose scores mean nothing: all the same "
                "in the average, which is of all utterances"
            )
        return scores

    def engine(self) -> "DistilMOSInference":
        """Return the model, loaded at the first call."""
        if self._engine is None:
            # Late: torch takes seconds, and there may be nothing to do.
            from espnet2_distilmos.inference.engine import DistilMOSInference

            self.device = _device_for(self.device, self.model[1])
            self._engine = DistilMOSInference(
                *self.model, device=self.device, **self.batch
            )
        return self._engine


def _device_for(name: str, model_file: Path) -> str:
    """Return the device of this name, or the CPU where there is no GPU."""
    if not name.startswith("cuda"):
        return name
    if is_onnx(model_file):  # which runs on the CPU; `cuda:0` is but the default
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return name
    logging.warning(f"{name}: no usable GPU here, using the CPU")
    return "cpu"


def evaluate(
    path: PathLike,
    outdir: Optional[PathLike] = None,
    jsonl: Optional[PathLike] = None,
    files: Optional[Mapping[str, str]] = None,
    **model: Any,
) -> Path:
    """Score one folder or list, as :meth:`Evaluator.__call__` does.

    `model` are arguments of :class:`Evaluator`.
    """
    if files is None:
        files = utterances(path)  # before a model is looked for, perhaps on the net
    return Evaluator(**model)(path, outdir, jsonl, files)
