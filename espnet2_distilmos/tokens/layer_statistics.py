"""Mean and deviation over time of all hidden states of the frozen upstream, a clip.

They are what a linear probe reads (:mod:`espnet2_distilmos.report.probe`).
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import ensure_checkpoint
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.layout import (
    all_layers,
    statistics_file,
    statistics_request,
)
from espnet2_distilmos.tokens.sharded_set import ShardedSet, ShardedSets, pending_of
from espnet2_distilmos.tokens.shards import (
    SHARD_SECONDS,
    Shard,
    require_whole,
)
from espnet2_distilmos.tokens.states import (
    States,
    batch_states,
    choose_batch_seconds,
    cut_batches,
    load_frozen,
    read_batches,
)
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.files import PathLike, atomic_path
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import write_stamp
from espnet2_distilmos.utils.terminal import counted

# Longer clips go through the upstream in equal parts, as scoring has windows: the
# memory of attention grows with the square, and Whisper takes 30 s at most.
LONGEST = 20 * SAMPLE_RATE


def load_all_states(conf: UpstreamConfig, device: str) -> UpstreamAdapter:
    """Load the frozen upstream with all its layers, layer 0 too where it has one."""
    upstream = load_frozen(all_layers(conf), device)
    if upstream.has_input_state:
        upstream.layers = (0, *upstream.layers)
    return upstream


def _moments(states: States) -> np.ndarray:
    """(2, L D) float64: mean and variance over time of the states of one clip."""
    layers = torch.cat(list(states), dim=1)  # (T, L D)
    spread = layers.std(0, unbiased=False)
    return (
        torch.stack([layers.mean(0).double(), spread.double().square()]).cpu().numpy()
    )


def _statistics(parts: Sequence[np.ndarray], lengths: Sequence[int]) -> np.ndarray:
    """(2 L D,) float32: mean and deviation of a clip, from the moments of its parts."""
    share = np.array(lengths) / sum(lengths)
    mean = sum(s * m for s, (m, _) in zip(share, parts))
    variance = sum(s * (v + (m - mean) ** 2) for s, (m, v) in zip(share, parts))
    return np.concatenate([mean, np.sqrt(variance)]).astype(np.float32)


def layer_statistics(
    upstream: UpstreamAdapter,
    wavs: Mapping[str, str],
    batches: Optional[Iterable[List[str]]] = None,
) -> Iterator[Tuple[str, np.ndarray]]:
    """Yield the ID and (2 L D,) float32 statistics of each clip, batch by batch.

    First the means over time of all layers, one layer behind the other, then the
    deviations.

    Args:
        upstream: frozen, in eval mode.
        wavs: ID -> path of audio at 16 kHz.
        batches: IDs that are computed together; None = clip by clip, in order.

    Raises:
        UserError: a clip cannot be read or is too short, or a batch too large for the
            device.
    """
    batches = [[utt] for utt in wavs] if batches is None else batches
    for utts, clips in read_batches(wavs, batches):
        parts = [np.array_split(c, max(-(-len(c) // LONGEST), 1)) for c in clips]
        if max(map(len, parts)) == 1:
            found = [[states] for states in batch_states(upstream, clips)]
        else:
            found = [[batch_states(upstream, [p])[0] for p in ps] for ps in parts]
        for utt, pieces in zip(utts, found, strict=True):
            lengths = [len(states[0]) for states in pieces]
            yield utt, _statistics([_moments(states) for states in pieces], lengths)


class LayerStatistics(ShardedSets):
    """Statistics of sets, to be shared out over jobs: :meth:`run`, :meth:`combine`.

    Each set gets `<output_dir>/<set>/statistics.npy`, (clips, 2 L D) float32 in the
    order of its `wav.scp`, and `statistics.yaml`. L counts all layers of the upstream,
    and layer 0 where it has one: 15 KiB a clip of Whisper tiny, 78 KiB of a base model,
    200 KiB of a large one.

    Memory of a job: the upstream, the states of one batch, the statistics of one shard.
    Disk: twice the statistics of a set until it is combined.

    Args:
        data_dirs: set -> formatted set, with `wav.scp` and `utt2num_samples`.
        conf: the upstream.
        output_dir: folder to write.
        device: `cpu`, `cuda`, `cuda:1`...
        batch_seconds: of audio, with padding; 0 = clip by clip, None = as suits the
            device. Statistics of another batch size differ by rounding.
        shard_seconds: of audio, about: what a killed job loses at most.

    Raises:
        UserError: no checkpoint, or a set whose IDs differ between its files.
    """

    def __init__(
        self,
        data_dirs: Mapping[str, PathLike],
        conf: UpstreamConfig,
        output_dir: PathLike,
        device: str = "cpu",
        batch_seconds: Optional[float] = None,
        shard_seconds: float = SHARD_SECONDS,
    ):
        ensure_checkpoint(conf)  # one that is made here has no digest before
        self.conf, self.output_dir, self.device = conf, Path(output_dir), device
        self.batch_seconds = choose_batch_seconds(batch_seconds, device)
        self.sets = [
            _Set(Path(folder), conf, self.output_dir / name, shard_seconds)
            for name, folder in data_dirs.items()
        ]

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Make the shards of job `job` of `nj` that are not whole yet."""
        shards = pending_of(self.sets, job, nj)
        if not shards:
            return
        upstream = load_all_states(self.conf, self.device)
        for dset, shard in progress(shards, "layer statistics, parts"):
            with shard.making() as stamp:
                batches = cut_batches(dset.lengths, shard.items, self.batch_seconds)
                rows = dict(layer_statistics(upstream, dset.wavs, batches))
                with atomic_path(_part(shard)) as tmp:
                    np.save(tmp, np.stack([rows[utt] for utt in shard.items]))
                stamp.update(
                    fingerprint=upstream.fingerprint, layers=list(upstream.layers)
                )

    def pending_seconds(self) -> float:
        """Return how much audio of shards that are not whole yet there is."""
        todo = [dset for dset in self.sets if not dset.is_made()]
        return sum(
            dset.lengths[utt] / SAMPLE_RATE
            for dset in todo
            for shard in dset.shards
            if not shard.is_whole()
            for utt in shard.items
        )


class _Set(ShardedSet):
    """One set's shards, and its files."""

    def __init__(
        self, data_dir: Path, conf: UpstreamConfig, folder: Path, shard_seconds: float
    ):
        super().__init__(
            data_dir,
            folder,
            "statistics.yaml",
            lambda: statistics_request(conf, data_dir),
            shard_seconds,
        )

    def files(self, stamp: Mapping[str, Any]) -> List[Path]:
        """Return what the stamp stands for."""
        return [statistics_file(self.folder)]

    def combine(self) -> None:
        """Write the array, then its stamp."""
        require_whole(self.shards)
        stamp = self.shards[0].read_stamp()
        place = {utt: i for i, utt in enumerate(self.wavs)}
        size = read_array(_part(self.shards[0]), mapped=True).shape[1]
        with atomic_path(statistics_file(self.folder)) as tmp:
            joined = np.lib.format.open_memmap(
                tmp, "w+", np.float32, (len(self.wavs), size)
            )
            for shard in self.shards:
                joined[[place[utt] for utt in shard.items]] = read_array(_part(shard))
            joined.flush()
            del joined
        write_stamp(
            self.stamp,
            self.request,
            fingerprint=stamp["fingerprint"],
            layers=stamp["layers"],
            n_clips=len(self.wavs),
            size=size,
        )
        logging.info(
            f"{self.folder}: {counted(len(self.wavs), 'clip')}, {size} figures each, "
            f"{4e-6 * len(self.wavs) * size:.0f} MB"
        )


def _part(shard: Shard) -> Path:
    """Return the statistics of a shard, (n, 2 L D) in the order of its items."""
    return shard.folder / "statistics.npy"
