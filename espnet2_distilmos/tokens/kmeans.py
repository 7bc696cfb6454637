"""Stage 3, first half: one k-means a layer."""

import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from tqdm import tqdm

from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.tokens.provenance import are_layers, is_count
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    read_array,
    read_yaml,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp


@dataclass
class LayerClusters:
    """One layer's k-means.

    Attributes:
        centroids: (k, D) float32.
        inertia: mean squared distance of a frame to its centroid.
        perplexity: exp of the entropy of cluster use, in [1, k].
    """

    centroids: np.ndarray
    inertia: float
    perplexity: float


def fit_layer(path: PathLike, n_clusters: int, seed: int) -> LayerClusters:
    """Cluster the frames of one layer with scikit-learn's MiniBatchKMeans.

    One thread: with more, scikit-learn gives other centroids.

    Args:
        path: (n, D) float32 array, `.npy`.
        n_clusters: k.
        seed: of the initialisation and of the mini-batches.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    frames = read_array(path)
    with threadpool_limits(1):
        kmeans = MiniBatchKMeans(
            n_clusters, random_state=seed, batch_size=4096, n_init=3, max_iter=100
        ).fit(frames)
        labels = kmeans.predict(frames)
    centroids = kmeans.cluster_centers_.astype(np.float32)
    share = np.bincount(labels, minlength=n_clusters) / len(labels)
    used = share[share > 0]
    return LayerClusters(
        centroids,
        # In float64: the sum of many float32 squares loses digits.
        float(((frames.astype(np.float64) - centroids[labels]) ** 2).sum(1).mean()),
        float(np.exp(-(used * np.log(used)).sum())),
    )


def train_kmeans(
    frames_dir: PathLike,
    output_dir: PathLike,
    n_clusters: int = 200,
    seed: int = 0,
    nj: int = 1,
) -> None:
    """Cluster every layer; write `layer_NN.npy` centroids and `provenance.yaml`.

    Layers run in `nj` processes; the result does not depend on their number.
    Memory: nj x frames x D x about 12 bytes.

    Args:
        frames_dir: folder of stage 2.
        output_dir: folder to write.
        n_clusters: k.
        seed: of every layer's k-means.
        nj: number of processes.

    Raises:
        UserError: stage 2 has not run, or there are fewer frames than clusters.
    """
    frames_dir, output_dir = Path(frames_dir), Path(output_dir)
    if not (frames_dir / "frames.yaml").exists():
        raise UserError(f"{frames_dir}: no frames.yaml; run stage 2 first")
    frames = read_yaml(frames_dir / "frames.yaml")
    if (
        not is_count(frames.get("n_frames"))
        or not are_layers(frames.get("layers"))
        or not isinstance(frames.get("fingerprint"), dict)
    ):
        raise UserError(
            f"{frames_dir / 'frames.yaml'}: not what stage 2 writes (n_frames, layers, "
            "fingerprint); delete it and run stage 2 again"
        )
    if frames["n_frames"] < n_clusters:
        raise UserError(
            f"{frames_dir}: {frames['n_frames']} frames are too few for {n_clusters} "
            "clusters; lower --n_clusters or give more audio"
        )
    request = {
        "frames_yaml_sha256": sha256_file(frames_dir / "frames.yaml"),
        "n_clusters": n_clusters,
        "seed": seed,
    }
    with folder_lock(output_dir):
        if is_whole(output_dir / "provenance.yaml", request):
            return
        layers: List[int] = frames["layers"]
        results: Dict[int, LayerClusters] = {}
        # Spawned, since forking a process that has run torch threads can hang.
        with ProcessPoolExecutor(nj, mp_context=get_context("spawn")) as pool:
            jobs = {
                layer: pool.submit(
                    fit_layer, layer_file(frames_dir, layer), n_clusters, seed
                )
                for layer in layers
            }
            for layer, job in tqdm(jobs.items(), desc="k-means", disable=None):
                results[layer] = result = job.result()
                logging.info(
                    f"layer {layer}: inertia {result.inertia:.4g} a frame, perplexity "
                    f"{result.perplexity:.1f} of {n_clusters}"
                )
                with atomic_path(layer_file(output_dir, layer)) as tmp:
                    np.save(tmp, result.centroids, allow_pickle=False)
        write_stamp(
            output_dir / "provenance.yaml",
            request,
            upstream=frames["fingerprint"],
            layers=layers,
            n_clusters=n_clusters,
            seed=seed,
            n_frames=frames["n_frames"],
            n_clips=frames["n_clips"],
            scikit_learn_version=_version("scikit-learn"),
            inertia={layer: r.inertia for layer, r in results.items()},
            perplexity={layer: r.perplexity for layer, r in results.items()},
        )
        plot_clusters(output_dir)


def _version(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package)


def plot_clusters(kmeans_dir: PathLike) -> None:
    """Draw perplexity and inertia a layer to `clusters.png`."""
    from espnet2_distilmos.scoring.plots import plot_clustering

    provenance: Dict[str, Any] = read_yaml(Path(kmeans_dir) / "provenance.yaml")
    layers = provenance["layers"]
    plot_clustering(
        Path(kmeans_dir) / "clusters.png",
        layers,
        [provenance["perplexity"][layer] for layer in layers],
        [provenance["inertia"][layer] for layer in layers],
        provenance["n_clusters"],
    )
