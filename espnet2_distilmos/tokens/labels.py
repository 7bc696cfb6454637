"""Stage 3, second half: a token of every layer and codebook for every frame."""

from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.tokens.provenance import (
    n_codebooks_of,
    read_provenance,
    require_tokens_of,
)
from espnet2_distilmos.tokens.sharded_set import pending_of
from espnet2_distilmos.tokens.shards import (
    SHARD_SECONDS,
    Shard,
)
from espnet2_distilmos.tokens.standard import Standard, read_standard
from espnet2_distilmos.tokens.states import (
    batch_states,
    choose_batch_seconds,
    cut_batches,
    load_frozen,
    read_batches,
)
from espnet2_distilmos.tokens.token_set import FRAMES, TokenSet, ark_of
from espnet2_distilmos.utils.arks import write_ark
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, folder_lock
from espnet2_distilmos.utils.progress import progress

# A frame is near a tie if it lies nearer than this to the middle between its two
# nearest centroids, as a part of its own length. Rounding, which depends on the batch,
# moved frames of a WavLM base by up to 1.1e-7 in that direction (doc/performance.md).
NEAR_TIE = 3e-6


def distances(states: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Map (T, D), (k, D) -> (T, k) squared distances, less each frame's norm.

    In float64, so that rounding does not decide between near centroids.
    """
    states, centroids = states.double(), centroids.double()
    # |x - c|^2 = |x|^2 - 2xc + |c|^2, and |x|^2 is the same for every c.
    return centroids.square().sum(1) - 2 * states @ centroids.T


def nearest_centroid(states: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Map (T, D), (k, D) -> (T,) index of the nearest centroid (squared distance)."""
    return distances(states, centroids).argmin(1)


def residuals(
    states: torch.Tensor, codebooks: Sequence[torch.Tensor]
) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
    """Yield what each codebook of a layer has to describe, and the codebook.

    The first one has the frames (T, D), each other one what the one before leaves: the
    difference between what that had and its nearest centroid, in float64.
    """
    for i, centroids in enumerate(codebooks):
        if i > 0:
            nearest = nearest_centroid(states, codebooks[i - 1])
            states = states.double() - codebooks[i - 1].double()[nearest]
        yield states, centroids


def layer_tokens(
    states: torch.Tensor,
    codebooks: Sequence[torch.Tensor],
    standard: Optional[Standard] = None,
) -> torch.Tensor:
    """Map (T, D), C times (k, D) -> (T, C) tokens, see :func:`residuals`.

    Where the centroids are of standardised states, the frames are standardised first.
    """
    states = states if standard is None else standard.of(states)
    ids = [nearest_centroid(*pair) for pair in residuals(states, codebooks)]
    return torch.stack(ids, dim=1)


def has_near_tie(
    states: torch.Tensor,
    centroids: torch.Tensor,
    norm: Optional[torch.Tensor] = None,
    deviation: Optional[torch.Tensor] = None,
) -> bool:
    """Tell whether rounding may decide between the two nearest centroids of a frame.

    Args:
        states: (T, D).
        centroids: (k, D).
        norm: (T,) lengths that rounding errors are a part of; None = those of `states`.
        deviation: (D,) that states were divided by, and rounding errors with them;
            None = they were not.
    """
    if len(centroids) < 2:
        return False
    (first, second), index = (
        x.T for x in distances(states, centroids).topk(2, largest=False)
    )
    between = (centroids[index[0]] - centroids[index[1]]).double()
    if deviation is not None:  # an error e has become e / deviation
        between = between / deviation.to(between.device)
    between = between.norm(dim=1)
    # Strictly less: two equal centroids are no matter of rounding.
    if norm is None:
        norm = states.double().norm(dim=1)
    return bool((second - first < 2 * between * NEAR_TIE * norm).any())


def layer_has_near_tie(
    states: torch.Tensor,
    codebooks: Sequence[torch.Tensor],
    standard: Optional[Standard] = None,
) -> bool:
    """Tell whether :func:`has_near_tie` holds for any codebook of a layer."""
    # What is left over has the rounding errors of the whole frame.
    norm, deviation = states.double().norm(dim=1), None
    if standard is not None:
        states, deviation = standard.of(states), standard.deviation
    pairs = residuals(states, codebooks)
    return any(has_near_tie(*pair, norm, deviation) for pair in pairs)


class Labelling:
    """Tokens of some sets, to be shared out over jobs: :meth:`run`, :meth:`combine`.

    A clip's tokens are those that it gets when it is computed alone: where a batch
    leaves a frame near a tie, the clip is computed again by itself.

    Memory of a job: the upstream, the centroids and the states of one batch. Disk: 4
    bytes a token, twice while a set is combined.

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
            TokenSet(Path(data_dir), self.kmeans_dir, shard_seconds)
            for data_dir in data_dirs
        ]

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Label the shards of job `job` of `nj` that are not whole yet.

        Raises:
            UserError: a k-means of another upstream, or a clip that cannot be read.
        """
        shards = pending_of(self.sets, job, nj)
        if not shards:
            return
        upstream = load_frozen(self.conf, self.device)
        require_tokens_of(self.provenance, upstream.fingerprint)
        numbers = range(1, n_codebooks_of(self.provenance) + 1)
        kmeans_dir, size = self.kmeans_dir, upstream.hidden_size
        codebooks = [
            [
                read_centroids(kmeans_dir, layer, size, number).to(self.device)
                for number in numbers
            ]
            for layer in self.provenance["layers"]
        ]
        standards = [
            read_standard(kmeans_dir, layer, self.provenance, size)
            for layer in self.provenance["layers"]
        ]
        layers = list(zip(codebooks, standards))
        for dset, shard in progress(shards, "tokens, parts"):
            with shard.making() as stamp:
                tokens, alone = self._label(upstream, layers, dset, shard)
                stamp.update(
                    n_frames=sum(map(len, tokens.values())),
                    n_clips_again_alone=alone,
                    offsets=write_ark(ark_of(shard), tokens.items()),
                )

    def _label(
        self,
        upstream: UpstreamAdapter,
        layers: List[Tuple[List[torch.Tensor], Optional[Standard]]],
        dset: TokenSet,
        shard: Shard,
    ) -> Tuple[Dict[str, np.ndarray], int]:
        """Return (T, L x C) float32 tokens of each clip, and how many ran again."""
        tokens: Dict[str, np.ndarray] = {}
        alone = 0
        batches = cut_batches(dset.lengths, shard.items, self.batch_seconds)
        for utts, clips in read_batches(dset.wavs, batches):
            for utt, clip, states in zip(utts, clips, batch_states(upstream, clips)):
                if len(clips) > 1 and any(
                    layer_has_near_tie(s, *layer) for s, layer in zip(states, layers)
                ):
                    states = batch_states(upstream, [clip])[0]
                    alone += 1
                ids = [layer_tokens(s, *layer) for s, layer in zip(states, layers)]
                tokens[utt] = torch.cat(ids, dim=1).cpu().numpy()
        # In the order of wav.scp; float32, since ESPnet reads no 2-D integers.
        return {utt: tokens[utt].astype(np.float32) for utt in shard.items}, alone

    def combine(self) -> None:
        """Join the shards of each set: `tokens.ark`, `tokens.scp` and `tokens.yaml`.

        The ark holds (T, L x C) float32 matrices of exact integers, in the order of
        `wav.scp`: the C codebooks of the first layer, then those of the second...

        Raises:
            UserError: a shard is missing.
        """
        with folder_lock(self.kmeans_dir):
            for dset in self.sets:
                dset.combine_once()
                if not (dset.folder / FRAMES).exists():  # of an earlier version
                    dset.note_frames()


def read_centroids(
    kmeans_dir: PathLike, layer: int, size: int, codebook: int = 1, needed_by: str = ""
) -> torch.Tensor:
    """Return (k, D) centroids of a layer's codebook.

    Args:
        kmeans_dir: folder of stage 3.
        layer: its number.
        size: channels of the upstream's states (D).
        codebook: from 1.
        needed_by: an option for which alone the file has to be there, to be named.

    Raises:
        UserError: no such file, or centroids of another size.
    """
    path = layer_file(kmeans_dir, layer, codebook)
    if needed_by and not path.is_file():
        raise UserError(f"{path}: no such file; {needed_by} needs it")
    centroids = read_array(path)
    if centroids.shape[1] != size:
        raise UserError(
            f"{path}: {centroids.shape[1]} channels, but the upstream has "
            f"{size}; run stages 2 and 3 again"
        )
    return torch.from_numpy(centroids)
