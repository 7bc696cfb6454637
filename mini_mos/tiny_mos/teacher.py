"""Scores of Distill-MOS, a predictor that was trained on many human ratings (MIT)."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Dict, List, Tuple

from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.work import CHUNK, parallel
from mini_mos.tiny_mos.neural import REMEDY

NAME = "distillmos"

_Job = Tuple[Path, Dict[str, str]]


def teacher_version() -> str:
    """Return the version of the package.

    Raises:
        UserError: it is not installed.
    """
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError as e:
        raise UserError(f"{NAME} is not installed; {REMEDY}") from e


def teacher_scores(
    wavs: Mapping[str, str], folder: Path, nj: int = 2
) -> Dict[str, float]:
    """Return the score of every clip, about 1 to 5; what is there already is read.

    Args:
        wavs: utterance -> audio file of any rate; the teacher hears it at 16 kHz.
        folder: gets scores in files of 30 clips, so that a killed run goes on. To be
            removed by whoever makes other audio of the same names.
        nj: processes; changes no result.

    Raises:
        UserError: the package is not there, or audio cannot be read.
    """
    teacher_version()
    utts = sorted(wavs, key=str.encode)
    jobs: List[_Job] = [
        (folder / f"{i // CHUNK:04d}.txt", {u: wavs[u] for u in utts[i : i + CHUNK]})
        for i in range(0, len(utts), CHUNK)
    ]
    parts = parallel(_score_chunk, jobs, nj, "Scores of the teacher")
    return {utt: score for part in parts for utt, score in part.items()}


def _score_chunk(job: _Job) -> Dict[str, float]:
    path, wavs = job
    if path.exists():
        scores = read_floats(path)
        if scores.keys() == wavs.keys():
            return scores
    scores = _score(list(wavs.items()))
    write_lines(path, scores)
    return scores


_model = None  # one a process: loading it takes as long as ten clips


def _score(clips: Sequence[Tuple[str, str]]) -> Dict[str, float]:
    global _model
    import torch
    from distillmos import ConvTransformerSQAModel

    from espnet2_distilmos.inference.audio import AudioFile

    torch.set_num_threads(1)
    if _model is None:
        _model = ConvTransformerSQAModel().eval()
    scores = {}
    for utt, wav in clips:
        samples = torch.from_numpy(AudioFile(wav).samples())
        with torch.inference_mode():
            scores[utt] = round(float(_model(samples[None])), 6)
    return scores
