"""Stage 3, second half: a token of every layer for every frame."""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import kaldiio
import numpy as np
import torch
from tqdm import tqdm

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.tokens.provenance import read_provenance, require_tokens_of
from espnet2_distilmos.tokens.shards import (
    SHARD_SECONDS,
    Shard,
    cut,
    pending,
    require_whole,
)
from espnet2_distilmos.tokens.states import (
    batch_states,
    choose_batch_seconds,
    cut_batches,
    load_frozen,
    read_batches,
)
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_wav_scp,
    require_same_ids,
    write_lines,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    read_array,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import audio_request, is_whole, matches, write_stamp

# A frame is near a tie if it lies nearer than this to the middle between its two
# nearest centroids, as a part of its own length. Rounding, which depends on the batch,
# moved frames of a WavLM base by up to 1.1e-7 in that direction (doc/performance.md).
NEAR_TIE = 3e-6


def distances(states: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """(T, D), (k, D) -> (T, k) squared distances, less the squared norm of each frame.

    In float64, so that rounding does not decide between near centroids.
    """
    states, centroids = states.double(), centroids.double()
    # |x - c|^2 = |x|^2 - 2xc + |c|^2, and |x|^2 is the same for every c.
    return centroids.square().sum(1) - 2 * states @ centroids.T


def nearest_centroid(states: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """(T, D), (k, D) -> (T,) index of the nearest centroid (squared distance)."""
    return distances(states, centroids).argmin(1)


def has_near_tie(states: torch.Tensor, centroids: torch.Tensor) -> bool:
    """Whether rounding may decide between the two nearest centroids of a frame."""
    if len(centroids) < 2:
        return False
    (first, second), index = (
        x.T for x in distances(states, centroids).topk(2, largest=False)
    )
    between = (centroids[index[0]] - centroids[index[1]]).double().norm(dim=1)
    # Strictly less: two equal centroids are no matter of rounding.
    norm = states.double().norm(dim=1)
    return bool((second - first < 2 * between * NEAR_TIE * norm).any())


class Labelling:
    """Tokens of some sets, to be shared out over jobs: :meth:`run`, :meth:`combine`.

    A clip's tokens are those that it gets when it is computed alone: where a batch
    leaves a frame near a tie, the clip is computed again by itself.

    Memory of a job: the upstream, the centroids and the states of one batch. Disk: 4
    bytes a frame and layer, twice while a set is combined.

    Args:
        data_dirs: formatted sets, with `wav.scp` and `utt2num_samples`; the folder's
            name is the set's.
        conf: the upstream that the k-means was made with.
        kmeans_dir: folder of :class:`espnet2_distilmos.tokens.kmeans.Clustering`.
        device: `cpu`, `cuda`, `cuda:1`...
        batch_seconds: of audio, with padding; 0 = clip by clip, None = as suits the
            device.
        shard_seconds: of audio, about: what a killed job loses at most.

    Raises:
        UserError: no k-means there.
    """

    def __init__(
        self,
        data_dirs: Sequence[PathLike],
        conf: UpstreamConfig,
        kmeans_dir: PathLike,
        device: str = "cpu",
        batch_seconds: Optional[float] = None,
        shard_seconds: float = SHARD_SECONDS,
    ):
        self.conf, self.kmeans_dir = conf, Path(kmeans_dir)
        self.device = device
        self.batch_seconds = choose_batch_seconds(batch_seconds, device)
        self.provenance = read_provenance(self.kmeans_dir / "provenance.yaml")
        self.sets = [
            _Set(Path(data_dir), self.kmeans_dir, shard_seconds)
            for data_dir in data_dirs
        ]

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Label the shards of job `job` of `nj` that are not whole yet.

        Raises:
            UserError: a k-means of another upstream, or a clip that cannot be read.
        """
        todo = [dset for dset in self.sets if not dset.is_made()]
        owner = {shard.folder: dset for dset in todo for shard in dset.shards}
        shards = pending([shard for dset in todo for shard in dset.shards], job, nj)
        if not shards:
            return
        upstream = load_frozen(self.conf, self.device)
        require_tokens_of(self.provenance, upstream.fingerprint)
        centroids = [
            torch.from_numpy(_centroids(self.kmeans_dir, layer, upstream)).to(
                self.device
            )
            for layer in self.provenance["layers"]
        ]
        for shard in tqdm(shards, desc="tokens", disable=None):
            with shard.making() as stamp:
                dset = owner[shard.folder]
                tokens, alone = self._label(upstream, centroids, dset, shard)
                stamp.update(
                    n_frames=sum(map(len, tokens.values())),
                    n_clips_again_alone=alone,
                    offsets=_write_ark(_ark(shard), tokens),
                )

    def _label(
        self,
        upstream: UpstreamAdapter,
        centroids: List[torch.Tensor],
        dset: "_Set",
        shard: Shard,
    ) -> Tuple[Dict[str, np.ndarray], int]:
        """(T, L) float32 tokens of each clip; how many clips were computed again."""
        tokens: Dict[str, np.ndarray] = {}
        alone = 0
        batches = cut_batches(dset.lengths, shard.items, self.batch_seconds)
        for utts, clips in read_batches(dset.wavs, batches):
            for utt, clip, states in zip(utts, clips, batch_states(upstream, clips)):
                if len(clips) > 1 and any(map(has_near_tie, states, centroids)):
                    states = batch_states(upstream, [clip])[0]
                    alone += 1
                ids = map(nearest_centroid, states, centroids)
                tokens[utt] = torch.stack(list(ids), dim=1).cpu().numpy()
        # In the order of wav.scp; float32, since ESPnet reads no 2-D integers.
        return {utt: tokens[utt].astype(np.float32) for utt in shard.items}, alone

    def combine(self) -> None:
        """Join the shards of each set: `tokens.ark`, `tokens.scp` and `tokens.yaml`.

        The ark holds (T, L) float32 matrices of exact integers, in the order of
        `wav.scp`.

        Raises:
            UserError: a shard is missing.
        """
        with folder_lock(self.kmeans_dir):
            for dset in self.sets:
                if is_whole(dset.stamp, dset.request, dset.files):
                    # Left where a run was killed after the stamp was written.
                    shutil.rmtree(dset.folder / "shards", ignore_errors=True)
                else:
                    dset.combine()


def _centroids(kmeans_dir: Path, layer: int, upstream: UpstreamAdapter) -> np.ndarray:
    """(k, D) centroids of a layer."""
    path = layer_file(kmeans_dir, layer)
    centroids = read_array(path)
    if centroids.shape[1] != upstream.hidden_size:
        raise UserError(
            f"{path}: {centroids.shape[1]} channels, but the upstream has "
            f"{upstream.hidden_size}; run stages 2 and 3 again"
        )
    return centroids


class _Set:
    """One set's shards, and its files."""

    def __init__(self, data_dir: Path, kmeans_dir: Path, shard_seconds: float):
        scp, samples = data_dir / "wav.scp", data_dir / "utt2num_samples"
        self.wavs, self.lengths = read_wav_scp(scp), read_floats(samples)
        require_same_ids({str(scp): self.wavs, str(samples): self.lengths})
        self.folder = kmeans_dir / data_dir.name
        self.stamp = self.folder / "tokens.yaml"
        self.request = {
            "provenance_sha256": sha256_file(kmeans_dir / "provenance.yaml"),
            "wav_scp_sha256": sha256_file(scp),
            **audio_request(data_dir),
        }
        self.shards = [
            self._shard(number, utts)
            for number, utts in enumerate(cut(self.lengths, shard_seconds), 1)
        ]

    def files(self, stamp: Dict[str, Any]) -> List[Path]:
        """What the stamp stands for."""
        return [self.folder / "tokens.ark", self.folder / "tokens.scp"]

    def is_made(self) -> bool:
        """Whether there is nothing to do."""
        return matches(self.stamp, self.request, self.files)

    def _shard(self, number: int, utts: List[str]) -> Shard:
        clips = hashlib.sha256("\n".join(utts).encode()).hexdigest()
        request = {"of": self.request, "clips_sha256": clips}
        return Shard(self.folder / "shards" / f"{number:05d}", utts, request)

    def combine(self) -> None:
        require_whole(self.shards)
        ark = self.folder / "tokens.ark"
        places: Dict[str, str] = {}
        n_frames = n_alone = 0
        with atomic_path(ark) as tmp, open(tmp, "wb") as f:
            for shard in self.shards:
                stamp, start = shard.read_stamp(), f.tell()
                with open(_ark(shard), "rb") as part:
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


def _ark(shard: Shard) -> Path:
    return shard.folder / "tokens.ark"


def _write_ark(path: Path, tokens: Dict[str, np.ndarray]) -> Dict[str, int]:
    """Write a Kaldi ark; return where each matrix begins."""
    offsets = {}
    with atomic_path(path) as tmp, kaldiio.WriteHelper(f"ark:{tmp}") as writer:
        for utt, matrix in tokens.items():
            # An entry is its key, a blank, then the matrix that scp points to.
            offsets[utt] = writer.fark.tell() + len(utt.encode()) + 1
            writer(utt, matrix)
    return offsets


def write_tokens(*args: Any, **kwargs: Any) -> None:
    """All of the labelling in one process; arguments of :class:`Labelling`."""
    labelling = Labelling(*args, **kwargs)
    labelling.run()
    labelling.combine()
