"""The files of a labelled set."""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any, Dict, List

import kaldiio
import numpy as np

from espnet2_distilmos.tokens.shards import Shard, cut, require_whole
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_wav_scp,
    require_same_ids,
    write_lines,
)
from espnet2_distilmos.utils.files import PathLike, atomic_path, sha256_file
from espnet2_distilmos.utils.stamp import audio_request, matches, write_stamp


class TokenSet:
    """One set's shards, and its files.

    Args:
        data_dir: formatted set, with `wav.scp` and `utt2num_samples`.
        kmeans_dir: folder of the centroids; the set's is made in it.
        shard_seconds: of audio, about.
    """

    def __init__(self, data_dir: PathLike, kmeans_dir: PathLike, shard_seconds: float):
        data_dir, kmeans_dir = Path(data_dir), Path(kmeans_dir)
        scp, samples = data_dir / "wav.scp", data_dir / "utt2num_samples"
        self.wavs, self.lengths = read_wav_scp(scp), read_floats(samples)
        require_same_ids({str(scp): self.wavs, str(samples): self.lengths})
        self.folder = kmeans_dir / data_dir.name
        self.stamp = self.folder / "tokens.yaml"
        self.request = {
            "provenance_sha256": sha256_file(kmeans_dir / "provenance.yaml"),
            **audio_request(data_dir),
        }
        self.shards = [
            self._shard(number, utts)
            for number, utts in enumerate(cut(self.lengths, shard_seconds), 1)
        ]

    def files(self, stamp: Dict[str, Any]) -> List[Path]:
        """Return what the stamp stands for."""
        return [self.folder / "tokens.ark", self.folder / "tokens.scp"]

    def is_made(self) -> bool:
        """Tell whether there is nothing to do."""
        return matches(self.stamp, self.request, self.files)

    def _shard(self, number: int, utts: List[str]) -> Shard:
        clips = hashlib.sha256("\n".join(utts).encode()).hexdigest()
        request = {"of": self.request, "clips_sha256": clips}
        return Shard(self.folder / "shards" / f"{number:05d}", utts, request)

    def combine(self) -> None:
        """Join the shards.

        Raises:
            UserError: one is missing.
        """
        require_whole(self.shards)
        ark = self.folder / "tokens.ark"
        places: Dict[str, str] = {}
        n_frames = n_alone = 0
        with atomic_path(ark) as tmp, open(tmp, "wb") as f:
            for shard in self.shards:
                stamp, start = shard.read_stamp(), f.tell()
                with open(ark_of(shard), "rb") as part:
                    shutil.copyfileobj(part, f)
                for utt, offset in stamp["offsets"].items():
                    places[utt] = f"{ark}:{start + offset}"
                n_frames += stamp["n_frames"]
                n_alone += stamp["n_clips_again_alone"]
        write_lines(self.folder / "tokens.scp", places)
        write_stamp(
            self.stamp, self.request, n_frames=n_frames, n_clips_again_alone=n_alone
        )
        shutil.rmtree(self.folder / "shards")
        logging.info(
            f"{self.folder}: {len(places)} clips, {n_frames} frames labelled; "
            f"{n_alone} clips again alone"
        )


def ark_of(shard: Shard) -> Path:
    """Return the tokens of a shard."""
    return shard.folder / "tokens.ark"


def write_ark(path: Path, tokens: Dict[str, np.ndarray]) -> Dict[str, int]:
    """Write a Kaldi ark; return where each matrix begins."""
    offsets = {}
    with atomic_path(path) as tmp, kaldiio.WriteHelper(f"ark:{tmp}") as writer:
        for utt, matrix in tokens.items():
            # An entry is its key, a blank, then the matrix that scp points to.
            offsets[utt] = writer.fark.tell() + len(utt.encode()) + 1
            writer(utt, matrix)
    return offsets
