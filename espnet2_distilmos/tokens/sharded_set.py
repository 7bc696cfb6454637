"""A set of clips whose results jobs make in shards: what stages 3 and 6 share."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple, TypeVar

from espnet2_distilmos.tokens.shards import Shard, clip_shards, pending, read_clips
from espnet2_distilmos.utils.files import folder_lock
from espnet2_distilmos.utils.stamp import is_whole, matches


class ShardedSet(ABC):
    """One set's clips, its shards, and the files that they are joined to.

    Attributes:
        wavs: ID -> path of the audio.
        lengths: ID -> samples.
        folder: of the set's results.
        stamp: of them, written last.
        request: what they depend on.
        shards: the parts of the work.

    Args:
        data_dir: formatted set, with `wav.scp` and `utt2num_samples`.
        folder: see above.
        stamp: name of the stamp in `folder`.
        request: returns what the results depend on; called when the set is read.
        shard_seconds: of audio a shard, about.

    Raises:
        UserError: a file of the set is missing or malformed, or IDs differ.
    """

    def __init__(
        self,
        data_dir: Path,
        folder: Path,
        stamp: str,
        request: Callable[[], Dict[str, Any]],
        shard_seconds: float,
    ):
        self.wavs, self.lengths = read_clips(data_dir)
        self.folder, self.stamp, self.request = folder, folder / stamp, request()
        self.shards = clip_shards(folder, self.request, self.lengths, shard_seconds)

    @abstractmethod
    def files(self, stamp: Mapping[str, Any]) -> List[Path]:
        """Return what the stamp stands for."""

    @abstractmethod
    def combine(self) -> None:
        """Join the shards and write the stamp.

        Raises:
            UserError: one is missing.
        """

    def is_made(self) -> bool:
        """Tell whether there is nothing to do."""
        return matches(self.stamp, self.request, self.files)

    def combine_once(self) -> None:
        """Combine, unless the set is whole; the shards go. The caller holds a lock."""
        if not is_whole(self.stamp, self.request, self.files):
            self.combine()
        # Also those that a run left that was killed after the stamp was written.
        shutil.rmtree(self.folder / "shards", ignore_errors=True)


AnySet = TypeVar("AnySet", bound=ShardedSet)


class ShardedSets:
    """What is made of several sets, each of which is combined by itself.

    Attributes:
        sets: the sets.
    """

    sets: Sequence[ShardedSet]

    def combine(self) -> None:
        """Join the shards of each set.

        Raises:
            UserError: a shard is missing, or another process is at it.
        """
        for dset in self.sets:
            with folder_lock(dset.folder):
                dset.combine_once()


def pending_of(sets: Sequence[AnySet], job: int, nj: int) -> List[Tuple[AnySet, Shard]]:
    """Return the shards of job `job` of `nj` that are not whole yet, and their sets."""
    todo = [dset for dset in sets if not dset.is_made()]
    owner = {shard.folder: dset for dset in todo for shard in dset.shards}
    left = pending([shard for dset in todo for shard in dset.shards], job, nj)
    return [(owner[shard.folder], shard) for shard in left]
