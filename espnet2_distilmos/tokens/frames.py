"""Stage 2: a sample of frames of every layer of the frozen upstream."""

import contextlib
import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import torch

from espnet2_distilmos.model.upstream.checkpoint import ensure_checkpoint
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.layout import layer_file, layer_files, request_of
from espnet2_distilmos.tokens.shards import (
    SHARD_SECONDS,
    Shard,
    cut,
    pending,
    read_clips,
    require_whole,
)
from espnet2_distilmos.tokens.states import (
    batch_states,
    choose_batch_seconds,
    cut_batches,
    load_frozen,
    read_batches,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    require_folder,
)
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import audio_request, is_whole, matches, write_stamp
from espnet2_distilmos.utils.terminal import counted


def choose_frames(utt: str, n_frames: int, share: float, seed: int) -> np.ndarray:
    """Return the positions of the frames of a clip that k-means sees, rising.

    Seeded by the clip's ID, so that neither order nor number of jobs matters.

    Args:
        utt: ID of the clip.
        n_frames: frames that it has.
        share: part of all frames that is wanted, in (0, 1].
        seed: of the sample.
    """
    digest = hashlib.sha256(f"{seed} {utt}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
    # A fractional quota is rounded at random, so that short clips count as much.
    quota = min(int(n_frames * share + rng.random()), n_frames)
    return np.sort(rng.choice(n_frames, quota, replace=False))


class FrameDump:
    """Stage 2, to be shared out over jobs: :meth:`run` in each, then :meth:`combine`.

    Memory of a job: the upstream and the states of one batch. Disk, at most: twice
    about max_frames x layers x D x 4 bytes, the second time until it is combined.

    Args:
        data_dir: formatted training set, with `wav.scp` and `utt2num_samples`.
        conf: the upstream.
        output_dir: folder to write.
        max_frames: about how many frames a layer are kept.
        seed: of the sample.
        device: `cpu`, `cuda`, `cuda:1`...
        batch_seconds: of audio, with padding; 0 = clip by clip, None = as suits the
            device (:mod:`espnet2_distilmos.tokens.states`). Frames of another batch
            size differ by rounding.
        shard_seconds: of audio, about: what a killed job loses at most.
        more_data_dirs: further formatted sets whose frames are sampled too; every set
            gives the same share of its frames. The folder's name is the set's.

    Raises:
        UserError: sets whose IDs differ between files, or two of one name.
    """

    def __init__(
        self,
        data_dir: PathLike,
        conf: UpstreamConfig,
        output_dir: PathLike,
        max_frames: int = 200_000,
        seed: int = 0,
        device: str = "cpu",
        batch_seconds: Optional[float] = None,
        shard_seconds: float = SHARD_SECONDS,
        more_data_dirs: Sequence[PathLike] = (),
    ):
        data_dir, self.output_dir = Path(data_dir), Path(output_dir)
        require_folder(output_dir, data_dir)
        if max_frames < 1:
            raise UserError(f"--max_frames {max_frames}: at least 1 is needed")
        self.conf, self.max_frames, self.seed = conf, max_frames, seed
        self.device = device
        self.batch_seconds = choose_batch_seconds(batch_seconds, device)
        self.wavs, self.lengths = read_clips(data_dir)
        # Set -> its clips in self.wavs.
        self.sets = {data_dir.name: list(self.wavs)}
        for folder in map(Path, more_data_dirs):
            wavs, lengths = read_clips(folder)
            # A set may have the IDs of another one, as the same clips undegraded do.
            names = {utt: f"{folder.name}/{utt}" for utt in wavs}
            if folder.name in self.sets or any(n in self.wavs for n in names.values()):
                raise UserError(f"{folder}: there is a set {folder.name} already")
            self.wavs.update({names[utt]: path for utt, path in wavs.items()})
            self.lengths.update({names[utt]: n for utt, n in lengths.items()})
            self.sets[folder.name] = list(names.values())
        ensure_checkpoint(conf)  # one that is made here has no digest before
        self.request = {
            "upstream": request_of(conf),
            "max_frames": max_frames,
            "seed": seed,
            **audio_request(data_dir),
        }
        if more_data_dirs:  # else as before there was a choice
            self.request["more_sets"] = {
                folder.name: audio_request(folder)
                for folder in map(Path, more_data_dirs)
            }
        self.stamp = self.output_dir / "frames.yaml"
        self.shards = [
            self._shard(number, utts)
            for number, utts in enumerate(cut(self.lengths, shard_seconds), 1)
        ]

    def _shard(self, number: int, utts: List[str]) -> Shard:
        clips = "".join(f"{utt} {self.lengths[utt]}\n" for utt in utts)
        return Shard(
            self.output_dir / "shards" / f"{number:05d}",
            utts,
            {
                "of": self.request,
                "clips_sha256": hashlib.sha256(clips.encode()).hexdigest(),
                "batch_seconds": self.batch_seconds,
            },
        )

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Make the shards of job `job` of `nj` that are not whole yet."""
        if matches(self.stamp, self.request, self._files):
            return
        shards = pending(self.shards, job, nj)
        if not shards:
            return
        upstream = load_frozen(self.conf, self.device)
        share = self._share(upstream.downsample)
        for shard in progress(shards, "layer frames, parts"):
            with shard.making() as stamp:
                counts = self._write_shard(upstream, shard, share)
                stamp.update(
                    share=share,
                    fingerprint=upstream.fingerprint,
                    layers=list(upstream.layers),
                    hidden_size=upstream.hidden_size,
                    counts=counts,
                )

    def _files(self, stamp: Dict[str, Any]) -> List[Path]:
        return layer_files(self.output_dir, stamp)

    def _share(self, downsample: int) -> float:
        expected = sum(self.lengths.values()) / downsample
        return min(1.0, self.max_frames / expected)

    def _write_shard(self, upstream, shard: Shard, share: float) -> Dict[str, int]:
        """Write (layers, n, D) of every clip, one behind the other; return each n."""
        counts: Dict[str, int] = {}
        batches = cut_batches(self.lengths, shard.items, self.batch_seconds)
        with atomic_path(_raw(shard)) as tmp, open(tmp, "wb") as f:
            for utts, clips in read_batches(self.wavs, batches):
                for utt, states in zip(utts, batch_states(upstream, clips)):
                    chosen = choose_frames(utt, len(states[0]), share, self.seed)
                    index = torch.from_numpy(chosen)
                    for state in states:
                        f.write(state.cpu()[index].numpy().tobytes())
                    counts[utt] = len(chosen)
        return counts

    def combine(self) -> None:
        """Join the shards: `layer_NN.npy`, (n, D) float32, and `frames.yaml`.

        Raises:
            UserError: a shard is missing.
        """
        with folder_lock(self.output_dir):
            if is_whole(self.stamp, self.request, self._files):
                # Left where a run was killed after the stamp was written.
                shutil.rmtree(self.output_dir / "shards", ignore_errors=True)
                return
            require_whole(self.shards)
            stamps = [shard.read_stamp() for shard in self.shards]
            first = stamps[0]
            counts = {utt: n for stamp in stamps for utt, n in stamp["counts"].items()}
            n_frames = sum(counts.values())
            # What each set gave, where there are several.
            sets = {
                name: {
                    "n_clips": len(utts),
                    "n_frames": sum(counts[utt] for utt in utts),
                }
                for name, utts in self.sets.items()
            }
            self._join(stamps, {utt: counts[utt] for utt in self.wavs}, n_frames)
            write_stamp(
                self.stamp,
                self.request,
                fingerprint=first["fingerprint"],
                layers=first["layers"],
                n_frames=n_frames,
                n_clips=len(counts),
                **({"sets": sets} if len(sets) > 1 else {}),
            )
            shutil.rmtree(self.output_dir / "shards")
            logging.info(
                f"{self.output_dir}: {counted(n_frames, 'frame')} of "
                f"{len(first['layers'])} layers kept, {100 * first['share']:.1f} % of "
                f"{counted(len(self.wavs), 'clip')}"
            )
            if len(sets) > 1:
                parts = (
                    f"{name} {s['n_frames']} ({100 * s['n_frames'] / n_frames:.1f} %)"
                    for name, s in sets.items()
                )
                logging.info(f"{self.output_dir}: frames of {', '.join(parts)}")

    def _join(self, stamps: List[Dict], counts: Dict[str, int], n_frames: int) -> None:
        layers, size = stamps[0]["layers"], stamps[0]["hidden_size"]
        starts, start = {}, 0  # clips stand in the order of wav.scp
        for utt, n in counts.items():
            starts[utt], start = start, start + n
        with contextlib.ExitStack() as stack:
            arrays = []
            for layer in layers:
                path = layer_file(self.output_dir, layer)
                tmp = stack.enter_context(atomic_path(path))
                arrays.append(
                    np.lib.format.open_memmap(tmp, "w+", np.float32, (n_frames, size))
                )
                # Without blocks of its own a mapped file ends the process (SIGBUS)
                # where the disk is full.
                with open(tmp, "r+b") as f:
                    os.posix_fallocate(f.fileno(), 0, tmp.stat().st_size)
            for shard, stamp in zip(self.shards, stamps):
                with open(_raw(shard), "rb") as f:
                    for utt, n in stamp["counts"].items():
                        block = np.fromfile(f, np.float32, len(layers) * n * size)
                        rows = slice(starts[utt], starts[utt] + n)
                        for array, state in zip(
                            arrays, block.reshape(len(layers), n, size)
                        ):
                            array[rows] = state
            for array in arrays:
                array.flush()


def _raw(shard: Shard) -> Path:
    return shard.folder / "frames.f32"
