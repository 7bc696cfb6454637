"""The parallel part: the functions that worker processes run, and their results."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.files import atomic_path, write_text
from espnet2_distilmos.utils.progress import progress
from mini_mos.corpus.label import pesq_mos
from mini_mos.corpus.plan import Clip
from mini_mos.corpus.signal import Unusable
from mini_mos.corpus.speech import read_clean
from mini_mos.corpus.systems import System

CHUNK = 30  # clips a file of labels; a killed run repeats at most this many a job


@dataclass(frozen=True)
class Result:
    """What became of one clip: a label (MOS), or the reason why there is none."""

    utt: str
    mos: Optional[float]
    reason: str = ""


def wav_path(folder: Path, clip: Clip) -> Path:
    """Return where a clip's audio lies."""
    return folder / clip.set_name / f"{clip.utt}.wav"


def make_clip(clip: Clip, system: System, folder: Path, seed: int) -> Result:
    """Degrade one prompt, label it, write `folder`/<set>/<utt>.wav (16 bit)."""
    try:
        clean = read_clean(clip.prompt.path)
        y = system.degrade(clean, seed, clip.utt)
        pcm = np.round(y * 32767).astype(np.int16)
        # The label is that of the samples in the file, rounding included.
        mos = pesq_mos(clean, pcm / 32767)
    except Unusable as e:
        return Result(clip.utt, None, f"{clip.prompt.path}: {e}")
    with atomic_path(wav_path(folder, clip)) as tmp:
        soundfile.write(tmp, pcm, SAMPLE_RATE, subtype="PCM_16")
    return Result(clip.utt, mos)


def _read_shard(path: Path) -> List[Result]:
    results = []
    for line in path.read_text(encoding="utf-8").splitlines():
        utt, mos, reason = line.split("\t", 2)
        results.append(Result(utt, float(mos) if mos else None, reason))
    return results


def make_chunk(
    job: Tuple[str, Sequence[Clip]],
    systems: Dict[str, System],
    audio_dir: Path,
    seed: int,
) -> List[Result]:
    """Make the clips of one chunk, or read its labels if they are all made.

    Args:
        job: name of the chunk, and its clips.
        systems: the systems of all clips, by name.
        audio_dir: where audio and labels go.
        seed: of the corpus.
    """
    name, clips = job
    shard = audio_dir / "labels" / f"{name}.tsv"
    wavs = audio_dir / "wav"
    if shard.exists():
        results = _read_shard(shard)
        lost = [
            r
            for r, c in zip(results, clips, strict=True)
            if r.mos is not None and not wav_path(wavs, c).exists()
        ]
        if not lost:
            return results
    results = [make_clip(c, systems[c.system], wavs, seed) for c in clips]
    lines = (f"{r.utt}\t{'' if r.mos is None else r.mos}\t{r.reason}" for r in results)
    write_text(shard, "".join(f"{line}\n" for line in lines))
    return results


def chunks(clips: Sequence[Clip]) -> List[Tuple[str, Sequence[Clip]]]:
    """Cut the clips of one set into named chunks of 30."""
    return [
        (f"{clips[0].set_name}.{i // CHUNK:04d}", clips[i : i + CHUNK])
        for i in range(0, len(clips), CHUNK)
    ]


def _one_thread(item: object, function: Callable, fixed: dict) -> object:
    # BLAS threads of several processes get in each other's way, and how many there
    # are may change the last bit of a sum.
    with threadpool_limits(1):
        return function(item, **fixed)


def parallel(
    function: Callable, items: Iterable, nj: int, title: str, **fixed: object
) -> Iterator:
    """Yield `map(partial(function, **fixed), items)` over `nj` processes, with a bar.

    Results come in the order of `items`, so `nj` changes nothing but the time.
    """
    items = list(items)
    call = partial(_one_thread, function=function, fixed=fixed)
    bar = partial(progress, title=title, total=len(items))
    if nj <= 1 or len(items) <= 1:
        yield from bar(map(call, items))
        return
    # spawn: forked children of a process with threads (BLAS, PyAV) may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(nj, len(items)), mp_context=context) as pool:
        try:
            yield from bar(pool.map(call, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
