"""Stage 3, first half: one k-means a layer, or several that refine each other."""

import io
import logging
import shutil
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy as np

from espnet2_distilmos.tokens.codebooks import fit_codebooks
from espnet2_distilmos.tokens.layout import layer_file, layer_files, standard_file
from espnet2_distilmos.tokens.provenance import are_layers, is_count
from espnet2_distilmos.tokens.shards import Shard, pending, require_whole
from espnet2_distilmos.tokens.standard import measure
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    read_yaml,
    require_folder,
    sha256_file,
)
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import is_whole, matches, write_stamp


class Clustering:
    """k-means of every layer, to be shared out over jobs: :meth:`run`, :meth:`combine`.

    Layers are shared out, so the result does not depend on the number of jobs. Memory
    of a job: that of one layer (:func:`fit_codebooks`).

    Args:
        frames_dir: folder of stage 2.
        output_dir: folder to write.
        n_clusters: k.
        seed: of every layer's k-means.
        backend: a key of BACKENDS.
        n_codebooks: k-means a layer; each clusters what the one before leaves over.
        standardize_states: whether each channel of a layer is brought to mean 0 and
            deviation 1 over the frames of stage 2 before (:mod:`.standard`).

    Raises:
        UserError: stage 2 has not run, or there are fewer frames than clusters, or
            fewer clusters than 2, or no codebook; an output that would replace the
            frames.
    """

    def __init__(
        self,
        frames_dir: PathLike,
        output_dir: PathLike,
        n_clusters: int = 200,
        seed: int = 0,
        backend: str = "sklearn",
        n_codebooks: int = 1,
        standardize_states: bool = False,
    ):
        frames_dir, self.output_dir = Path(frames_dir), Path(output_dir)
        self.n_clusters, self.seed, self.backend = n_clusters, seed, backend
        self.n_codebooks, self.standardize_states = n_codebooks, standardize_states
        require_folder(self.output_dir, frames_dir)
        if n_codebooks < 1:
            raise UserError(f"--n_codebooks {n_codebooks}: at least 1 is needed")
        if n_clusters < 2:
            raise UserError(
                f"--n_clusters {n_clusters}: at least 2 are needed; one cluster would "
                "be the same token everywhere"
            )
        if not (frames_dir / "frames.yaml").exists():
            raise UserError(f"{frames_dir}: no frames.yaml; run stage 2 first")
        self.frames_dir = frames_dir
        self.frames = frames = read_yaml(frames_dir / "frames.yaml")
        if (
            not is_count(frames.get("n_frames"))
            or not are_layers(frames.get("layers"))
            or not isinstance(frames.get("fingerprint"), dict)
        ):
            raise UserError(
                f"{frames_dir / 'frames.yaml'}: not what stage 2 writes (n_frames, "
                "layers, fingerprint); delete it and run stage 2 again"
            )
        if frames["n_frames"] < n_clusters:
            raise UserError(
                f"{frames_dir}: {frames['n_frames']} frames are too few for "
                f"{n_clusters} clusters; lower --n_clusters or give more audio"
            )
        self.request = {
            "frames_yaml_sha256": sha256_file(frames_dir / "frames.yaml"),
            "n_clusters": n_clusters,
            "seed": seed,
        }
        if backend != "sklearn":  # which files from before there was a choice have
            self.request["backend"] = backend
        if n_codebooks > 1:  # likewise
            self.request["n_codebooks"] = n_codebooks
        if standardize_states:  # likewise
            self.request["standardize_states"] = True
        self.stamp = self.output_dir / "provenance.yaml"
        self.shards = [
            Shard(
                self.output_dir / "shards" / f"layer_{layer:02d}",
                [layer],
                {**self.request, "layer": layer},
            )
            for layer in frames["layers"]
        ]

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Cluster the layers of job `job` of `nj` that are not whole yet."""
        if matches(self.stamp, self.request, self._files):
            return
        for shard in progress(pending(self.shards, job, nj), "k-means, layers"):
            (layer,) = shard.items
            with shard.making() as stamp:
                standard: Optional[np.ndarray] = None
                if self.standardize_states:
                    standard = measure(layer_file(self.frames_dir, layer))
                    _save(_standard(shard), standard)
                results = fit_codebooks(
                    layer_file(self.frames_dir, layer),
                    self.n_clusters,
                    self.n_codebooks,
                    self.seed,
                    self.backend,
                    standard,
                )
                for codebook, result in enumerate(results, 1):
                    _save(_part(shard, codebook), result.centroids)
                stamp.update(
                    inertia=_figures([r.inertia for r in results]),
                    perplexity=_figures([r.perplexity for r in results]),
                )
            for codebook, result in enumerate(results, 1):
                which = f" codebook {codebook}" if len(results) > 1 else ""
                logging.info(
                    f"layer {layer}{which}: inertia {result.inertia:.4g} a frame, "
                    f"perplexity {result.perplexity:.1f} of {self.n_clusters}"
                )

    def combine(self) -> None:
        """Write `layer_NN.npy` of every layer, `provenance.yaml` and `clusters.png`.

        Further codebooks are `layer_NN_codebook_2.npy` and so on. Inertia and
        perplexity of a layer are numbers, or with several codebooks lists. Of
        standardised states there is `layer_NN_standard.npy`, (2, D): mean, deviation.

        Raises:
            UserError: a layer is missing.
        """
        with folder_lock(self.output_dir):
            if is_whole(self.stamp, self.request, self._files):
                self._finish()
                return
            require_whole(self.shards)
            (self.output_dir / "clusters.png").unlink(missing_ok=True)
            layers = self.frames["layers"]
            stamps = [shard.read_stamp() for shard in self.shards]
            for layer, shard in zip(layers, self.shards):
                for codebook in range(1, self.n_codebooks + 1):
                    target = layer_file(self.output_dir, layer, codebook)
                    with atomic_path(target) as tmp:
                        shutil.copyfile(_part(shard, codebook), tmp)
                if self.standardize_states:
                    with atomic_path(standard_file(self.output_dir, layer)) as tmp:
                        shutil.copyfile(_standard(shard), tmp)
            # Neither is written by default, as before there was a choice.
            more: Dict[str, Any] = {}
            if "sets" in self.frames:
                more["sets"] = self.frames["sets"]
            if self.n_codebooks > 1:
                more["n_codebooks"] = self.n_codebooks
            if self.standardize_states:
                more["standardize_states"] = True
                more["standards_sha256"] = {
                    n: sha256_file(standard_file(self.output_dir, n)) for n in layers
                }
            write_stamp(
                self.stamp,
                self.request,
                upstream=self.frames["fingerprint"],
                layers=layers,
                n_clusters=self.n_clusters,
                seed=self.seed,
                n_frames=self.frames["n_frames"],
                n_clips=self.frames["n_clips"],
                **more,
                **_versions(self.backend),
                inertia={n: s["inertia"] for n, s in zip(layers, stamps)},
                perplexity={n: s["perplexity"] for n, s in zip(layers, stamps)},
            )
            self._finish()

    def _files(self, stamp: Dict[str, Any]) -> List[Path]:
        return layer_files(self.output_dir, stamp)

    def _finish(self) -> None:
        """Plot the clusters and remove the shards, if a killed run has not done so."""
        if not (self.output_dir / "clusters.png").exists():
            plot_clusters(self.output_dir)
        shutil.rmtree(self.output_dir / "shards", ignore_errors=True)


def _part(shard: Shard, codebook: int) -> Path:
    """Return centroids in a layer's shard."""
    more = "" if codebook == 1 else f"_{codebook}"
    return shard.folder / f"centroids{more}.npy"


def _standard(shard: Shard) -> Path:
    """Return what a layer is standardised by, in its shard."""
    return shard.folder / "standard.npy"


def _save(path: Path, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    # Not by numpy, which does not notice a disk that is full.
    with atomic_path(path) as tmp:
        tmp.write_bytes(content.getvalue())


def _figures(values: List[float]) -> Union[float, List[float]]:
    return values if len(values) > 1 else values[0]


def _versions(backend: str) -> Dict[str, str]:
    """Return what provenance.yaml says of the program that clustered."""
    if backend == "faiss":
        import faiss

        return {"faiss_version": faiss.__version__}
    import importlib.metadata

    return {"scikit_learn_version": importlib.metadata.version("scikit-learn")}


def plot_clusters(kmeans_dir: PathLike) -> None:
    """Draw perplexity and inertia a layer to `clusters.png`."""
    from espnet2_distilmos.report.plots import plot_clustering

    provenance: Dict[str, Any] = read_yaml(Path(kmeans_dir) / "provenance.yaml")
    layers = provenance["layers"]
    plot_clustering(
        Path(kmeans_dir) / "clusters.png",
        layers,
        [provenance["perplexity"][layer] for layer in layers],
        [provenance["inertia"][layer] for layer in layers],
        provenance["n_clusters"],
    )
