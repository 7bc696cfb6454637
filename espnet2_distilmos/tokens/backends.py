"""The programs that can do k-means."""

from typing import Callable, Dict, Tuple

import numpy as np

from espnet2_distilmos.utils.errors import UserError


def _fit_sklearn(
    frames: np.ndarray, n_clusters: int, seed: int
) -> Tuple[np.ndarray, np.ndarray]:
    """Cluster with scikit-learn's MiniBatchKMeans."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    # One thread: with more, scikit-learn gives other centroids.
    with threadpool_limits(1):
        kmeans = MiniBatchKMeans(
            n_clusters, random_state=seed, batch_size=4096, n_init=3, max_iter=100
        ).fit(frames)
        labels = kmeans.predict(frames)
    return kmeans.cluster_centers_.astype(np.float32), labels


def _fit_faiss(
    frames: np.ndarray, n_clusters: int, seed: int
) -> Tuple[np.ndarray, np.ndarray]:
    """Cluster with faiss: Lloyd's iterations over all frames, on GPUs if it can."""
    try:
        import faiss
    except ImportError as e:
        raise UserError(
            "--kmeans_backend faiss needs faiss: pip install faiss-cpu, or a faiss-gpu "
            "for your CUDA"
        ) from e
    faiss.omp_set_num_threads(1)  # as above
    kmeans = faiss.Kmeans(
        frames.shape[1],
        n_clusters,
        niter=25,
        nredo=1,
        seed=seed,
        gpu=getattr(faiss, "get_num_gpus", lambda: 0)() > 0,
        # All frames take part: stage 2 has drawn the sample.
        max_points_per_centroid=-(-len(frames) // n_clusters),
        min_points_per_centroid=1,
    )
    kmeans.train(frames)
    return kmeans.centroids.copy(), kmeans.index.search(frames, 1)[1][:, 0]


# Name -> function(frames, k, seed) -> (k, D) float32 centroids and (n,) labels.
BACKENDS: Dict[str, Callable[..., Tuple[np.ndarray, np.ndarray]]] = {
    "sklearn": _fit_sklearn,
    "faiss": _fit_faiss,
}
