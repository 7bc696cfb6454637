"""k-means of one layer: one codebook, or several that refine each other."""

from dataclasses import dataclass
from typing import List, Optional, Tuple

import numpy as np

from espnet2_distilmos.tokens.backends import BACKENDS
from espnet2_distilmos.tokens.standard import blocks, standardize
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.files import PathLike


@dataclass
class LayerClusters:
    """A codebook: one k-means of one layer.

    Attributes:
        centroids: (k, D) float32.
        inertia: mean squared distance of what was clustered to its centroid.
        perplexity: exp of the entropy of cluster use, in [1, k].
    """

    centroids: np.ndarray
    inertia: float
    perplexity: float


def fit_codebooks(
    path: PathLike,
    n_clusters: int,
    n_codebooks: int,
    seed: int,
    backend: str = "sklearn",
    standard: Optional[np.ndarray] = None,
) -> List[LayerClusters]:
    """Cluster the frames of one layer, then what that leaves of them, and so on.

    What a codebook leaves of a frame is the difference to its centroid.

    Memory: frames x D x 4 bytes and little more; with faiss twice that.

    Args:
        path: (n, D) float32 array, `.npy`.
        n_clusters: k.
        n_codebooks: k-means in all.
        seed: of the initialisation and of the mini-batches.
        backend: a key of BACKENDS.
        standard: what the frames are standardised by at first (:mod:`.standard`); None
            = nothing.

    Raises:
        UserError: the back end is not installed.
    """
    frames = read_array(path)
    if standard is not None:
        standardize(frames, standard)
    clusters, labels = _fit(frames, n_clusters, seed, backend)
    found = [clusters]
    while len(found) < n_codebooks:
        for rows in blocks(frames):
            frames[rows] -= clusters.centroids[labels[rows]]
        clusters, labels = _fit(frames, n_clusters, seed, backend)
        found.append(clusters)
    return found


def _fit(
    frames: np.ndarray, n_clusters: int, seed: int, backend: str
) -> Tuple[LayerClusters, np.ndarray]:
    """Run k-means on (n, D) frames; return it and (n,) cluster numbers."""
    centroids, labels = BACKENDS[backend](frames, n_clusters, seed)
    share = np.bincount(labels, minlength=n_clusters) / len(labels)
    used = share[share > 0]
    squares = 0.0
    for rows in blocks(frames):
        # In float64: the sum of many float32 squares loses digits.
        difference = frames[rows].astype(np.float64) - centroids[labels[rows]]
        squares += float(np.square(difference, out=difference).sum())
    perplexity = float(np.exp(-(used * np.log(used)).sum()))
    return LayerClusters(centroids, squares / len(frames), perplexity), labels
