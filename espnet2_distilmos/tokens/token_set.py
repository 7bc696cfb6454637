"""The files of a labelled set."""

import logging
import shutil
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.tokens.shards import Shard, clip_shards, require_whole
from espnet2_distilmos.utils.arks import join_arks
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_wav_scp,
    require_same_ids,
    write_lines,
)
from espnet2_distilmos.utils.files import PathLike, sha256_file
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
        self.shards = clip_shards(
            self.folder, self.request, self.lengths, shard_seconds
        )

    def files(self, stamp: Dict[str, Any]) -> List[Path]:
        """What the stamp stands for."""
        return [self.folder / "tokens.ark", self.folder / "tokens.scp"]

    def is_made(self) -> bool:
        """Whether there is nothing to do."""
        return matches(self.stamp, self.request, self.files)

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
        write_stamp(
            self.stamp, self.request, n_frames=n_frames, n_clips_again_alone=n_alone
        )
        shutil.rmtree(self.folder / "shards")
        logging.info(
            f"{self.folder}: {len(places)} clips, {n_frames} frames labelled; "
            f"{n_alone} clips again alone"
        )


def ark_of(shard: Shard) -> Path:
    """The tokens of a shard."""
    return shard.folder / "tokens.ark"
