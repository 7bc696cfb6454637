"""The files of a labelled set."""

import logging
import os
import struct
from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np

from espnet2_distilmos.tokens.sharded_set import ShardedSet
from espnet2_distilmos.tokens.shards import (
    Shard,
    require_whole,
)
from espnet2_distilmos.utils.arks import join_arks
from espnet2_distilmos.utils.datadir import read_lines, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file
from espnet2_distilmos.utils.stamp import audio_request, write_stamp
from espnet2_distilmos.utils.terminal import counted

STAMP = "tokens.yaml"
FRAMES = "utt2num_frames"
# `FM `, a matrix of float32: rows and columns, each after the size of its number.
_HEADER = struct.Struct("<5sbibi")
_FLOAT_MATRIX = b"\0BFM "


def token_request(data_dir: PathLike, kmeans_dir: PathLike) -> Dict[str, Any]:
    """Return what the tokens of a set depend on.

    Args:
        data_dir: the formatted set.
        kmeans_dir: folder of the centroids.
    """
    provenance = Path(kmeans_dir) / "provenance.yaml"
    return {"provenance_sha256": sha256_file(provenance), **audio_request(data_dir)}


class TokenSet(ShardedSet):
    """One set's shards, and its files.

    Args:
        data_dir: formatted set, with `wav.scp` and `utt2num_samples`.
        kmeans_dir: folder of the centroids; the set's is made in it.
        shard_seconds: of audio, about.
    """

    def __init__(self, data_dir: PathLike, kmeans_dir: PathLike, shard_seconds: float):
        data_dir, kmeans_dir = Path(data_dir), Path(kmeans_dir)
        super().__init__(
            data_dir,
            kmeans_dir / data_dir.name,
            STAMP,
            lambda: token_request(data_dir, kmeans_dir),
            shard_seconds,
        )

    def files(self, stamp: Mapping[str, Any]) -> List[Path]:
        """Return what the stamp stands for."""
        return [self.folder / "tokens.ark", self.folder / "tokens.scp"]

    def combine(self) -> None:
        """Join the shards.

        Raises:
            UserError: one is missing.
        """
        require_whole(self.shards)
        stamps = [shard.read_stamp() for shard in self.shards]
        places = join_arks(
            self.folder / "tokens.ark",
            [(ark_of(s), stamp["offsets"]) for s, stamp in zip(self.shards, stamps)],
        )
        n_frames = sum(stamp["n_frames"] for stamp in stamps)
        n_alone = sum(stamp["n_clips_again_alone"] for stamp in stamps)
        write_lines(self.folder / "tokens.scp", places)
        self.note_frames()
        write_stamp(
            self.stamp, self.request, n_frames=n_frames, n_clips_again_alone=n_alone
        )
        logging.info(
            f"{self.folder}: {counted(len(places), 'clip')}, "
            f"{counted(n_frames, 'frame')} labelled; {counted(n_alone, 'clip')} again "
            "alone"
        )

    def note_frames(self) -> None:
        """Write how many frames the upstream has made of each clip."""
        places = read_lines(self.folder / "tokens.scp", str)
        frames = {utt: len(read_matrix(place)) for utt, place in places.items()}
        write_lines(self.folder / FRAMES, frames)


def ark_of(shard: Shard) -> Path:
    """Return the tokens of a shard."""
    return shard.folder / "tokens.ark"


def read_matrix(place: str) -> np.ndarray:
    """Read one (T, M) float32 matrix of a Kaldi ark.

    Nothing else that kaldiio would read, pickles and commands among them.

    Args:
        place: `FILE:OFFSET`, as in `tokens.scp`.

    Raises:
        UserError: another place, no such file, or something else in it.
    """
    file, _, offset = place.rpartition(":")
    if not offset.isdecimal():
        raise UserError(f"{place}: FILE:OFFSET was expected")
    try:
        with open(file, "rb") as f:
            left = os.fstat(f.fileno()).st_size - int(offset) - _HEADER.size
            f.seek(int(offset))
            header = f.read(_HEADER.size)
            kind, *numbers = _HEADER.unpack(header) if left >= 0 else (b"", 0, 0, 0, 0)
            _, rows, _, columns = numbers
            if kind != _FLOAT_MATRIX or rows < 1 or columns < 1:
                raise UserError(f"{place}: no matrix of float32 begins there")
            if left < 4 * rows * columns:
                raise UserError(f"{file}: is cut off")
            values = np.frombuffer(f.read(4 * rows * columns), "<f4")
    except OSError as e:
        raise UserError(f"{file}: cannot be read ({e.strerror})") from e
    return values.reshape(rows, columns)
