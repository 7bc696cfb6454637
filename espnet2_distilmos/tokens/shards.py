"""Shards: what array jobs share out, and what a killed one need not do again.

How the work is cut depends on the work alone, so the shards, and what is made of them,
are the same for any number of jobs.
"""

import hashlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_wav_scp,
    require_same_ids,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import folder_lock, read_yaml
from espnet2_distilmos.utils.stamp import matches, write_stamp
from espnet2_distilmos.utils.terminal import counted

SHARD_SECONDS = 600.0  # of audio: what a killed job loses at most


@dataclass(frozen=True)
class Shard:
    """A part of the work with a folder and a stamp of its own.

    Attributes:
        folder: for its results.
        items: what it is about: IDs of clips, or the number of a layer.
        request: everything that its results depend on, as plain types.
    """

    folder: Path
    items: Sequence[Any]
    request: Mapping[str, Any]

    @property
    def stamp(self) -> Path:
        """Written when the shard is whole."""
        return self.folder / "shard.yaml"

    def is_whole(self) -> bool:
        """Tell whether it was made from this very request."""
        return matches(self.stamp, dict(self.request))

    @contextmanager
    def making(self) -> Iterator[Dict[str, Any]]:
        """Lock the folder; at the end write the stamp, with what is put into the dict.

        Raises:
            UserError: another process is making it.
        """
        with folder_lock(self.folder):
            self.stamp.unlink(missing_ok=True)
            more: Dict[str, Any] = {}
            yield more
            write_stamp(self.stamp, dict(self.request), **more)

    def read_stamp(self) -> Dict[str, Any]:
        """Return what :meth:`making` has written."""
        return read_yaml(self.stamp)


def read_clips(data_dir: Path) -> Tuple[Dict[str, str], Dict[str, float]]:
    """Read path and number of samples of each clip of a formatted set.

    Raises:
        UserError: a file that is missing or malformed, or IDs that differ.
    """
    scp, samples = data_dir / "wav.scp", data_dir / "utt2num_samples"
    wavs, lengths = read_wav_scp(scp), read_floats(samples)
    require_same_ids({str(scp): wavs, str(samples): lengths})
    return wavs, lengths


def cut(lengths: Mapping[str, float], seconds: float) -> List[List[str]]:
    """Return IDs in order, cut where `seconds` of audio are full."""
    parts: List[List[str]] = []
    filled = seconds
    for utt, n_samples in lengths.items():
        if filled >= seconds:
            parts.append([])
            filled = 0.0
        parts[-1].append(utt)
        filled += n_samples / SAMPLE_RATE
    return parts


def clip_shards(
    folder: Path,
    request: Mapping[str, Any],
    lengths: Mapping[str, float],
    seconds: float,
) -> List[Shard]:
    """Cut the clips of a set into shards, in folders `<folder>/shards/<number>`.

    Args:
        folder: of the set's results.
        request: what these depend on.
        lengths: samples of each clip, in the order of the results.
        seconds: of audio a shard, about.
    """
    return [
        Shard(
            folder / "shards" / f"{number:05d}",
            utts,
            {
                "of": request,
                "clips_sha256": hashlib.sha256("\n".join(utts).encode()).hexdigest(),
            },
        )
        for number, utts in enumerate(cut(lengths, seconds), 1)
    ]


def pending(shards: Sequence[Shard], job: int, nj: int) -> List[Shard]:
    """Return the shards of job `job` (from 1) of `nj` that are not whole yet."""
    mine = shards[job - 1 :: nj]
    left = [shard for shard in mine if not shard.is_whole()]
    logging.info(
        f"job {job} of {nj}: {len(mine)} of {counted(len(shards), 'shard')}, "
        f"{len(mine) - len(left)} whole already"
    )
    return left


def require_whole(shards: Sequence[Shard]) -> None:
    """Refuse to join shards of which some are missing.

    Raises:
        UserError: names the first of them.
    """
    missing = [shard.folder for shard in shards if not shard.is_whole()]
    if missing:
        raise UserError(
            f"{missing[0]}: not whole, with {len(missing)} of "
            f"{counted(len(shards), 'shard')}; run the jobs of this stage again (whole "
            "shards are kept)"
        )
