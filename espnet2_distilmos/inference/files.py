"""Scoring files: a bounded number in memory, the next ones read meanwhile."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Dict, List, NamedTuple, Optional, Protocol, Sequence, Tuple

import numpy as np

from espnet2_distilmos.inference.audio import AudioFile, Checks
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


class Score(NamedTuple):
    """What a model says of a clip.

    Attributes:
        mos: the score.
        frame_mos: (T,) frame scores.
        further: score and (T,) frame scores on each further scale.
    """

    mos: float
    frame_mos: np.ndarray
    further: Tuple[Tuple[float, np.ndarray], ...] = ()


# Files that are read before the shortest and the longest of them are told apart.
POOL = 64
# Longer files are read block by block, one at a time (seconds).
STREAM = 40.0

# A file, its samples at 16 kHz (None: to be streamed), or why there are none.
Loaded = Tuple[str, Optional[AudioFile], Optional[np.ndarray], Optional[str]]


class Scorer(Protocol):
    """What scores clips at 16 kHz: the methods of an engine that files need."""

    def require_length(self, n_samples: int) -> None:
        """Refuse with a `UserError` what is too short for one frame."""

    def score_clips(self, clips: Sequence[np.ndarray]) -> List[Score]:
        """Score clips in memory, in their order."""

    def score_stream(self, blocks: Iterable[np.ndarray]) -> Score:
        """Score a clip that comes block by block."""

    def result(self, score: Score, checks: Checks) -> Dict[str, Any]:
        """Return a score as people get it; refuse one that is not finite."""


def score_files(
    model: Scorer, paths: Iterable[PathLike], num_workers: int = 1
) -> Iterator[Dict[str, Any]]:
    """See :meth:`DistilMOSInference.score_files`."""
    paths = iter(paths)
    with ThreadPoolExecutor(max(num_workers, 1)) as threads:

        def start_reading() -> List["Future[Loaded]"]:
            return [threads.submit(_load, path) for path in islice(paths, POOL)]

        reading = start_reading()
        while reading:
            pool = [future.result() for future in reading]
            reading = start_reading()
            try:
                yield from _score_pool(model, pool)
            except GeneratorExit:
                threads.shutdown(cancel_futures=True)
                raise


def _load(path: PathLike) -> Loaded:
    try:
        audio = AudioFile(path)
        samples = audio.samples(STREAM)
    except UserError as e:
        return str(path), None, None, str(e)
    except Exception as e:  # whatever a broken file makes a library do
        return str(path), None, None, f"{path}: {type(e).__name__}: {e}"
    return str(path), audio, samples, None


def _score_pool(model: Scorer, pool: List[Loaded]) -> Iterator[Dict[str, Any]]:
    whole: List[np.ndarray] = []
    errors: Dict[int, str] = {}
    for i, (_, _, samples, error) in enumerate(pool):
        try:
            if error is not None:
                errors[i] = error
            elif samples is not None:
                model.require_length(len(samples))
                whole.append(samples)
        except UserError as e:
            errors[i] = f"{pool[i][0]}: {e}"
    scores = iter(model.score_clips(whole))
    for i, (path, audio, samples, _) in enumerate(pool):
        result: Dict[str, Any] = {"file": path, "mos": None, "warnings": []}
        if audio is not None:
            result.update(rate=audio.rate, channels=audio.channels)
        if audio is not None and i not in errors:
            try:
                if samples is not None:
                    score = next(scores)
                else:
                    score = model.score_stream(audio.blocks())
                result.update(model.result(score, audio.checks))
            except UserError as e:  # a long file that breaks off, or no finite score
                errors[i] = str(e) if path in str(e) else f"{path}: {e}"
        if audio is not None:  # behind the reading, which may find less than told
            result["seconds"] = audio.seconds
        if i in errors:
            result["error"] = errors[i]
        yield result
