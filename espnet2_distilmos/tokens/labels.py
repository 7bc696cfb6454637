"""Stage 3, second half: a token of every layer for every frame."""

import logging
from pathlib import Path
from typing import Dict, List, Sequence

import kaldiio
import numpy as np
import torch
from tqdm import tqdm

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.frames import hidden_states, load_frozen
from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.tokens.provenance import read_provenance, require_tokens_of
from espnet2_distilmos.utils.datadir import read_wav_scp, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    folder_lock,
    read_array,
    sha256_file,
)
from espnet2_distilmos.utils.stamp import is_whole, write_stamp


def nearest_centroid(states: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """(T, D), (k, D) -> (T,) index of the nearest centroid (squared distance)."""
    # |x - c|^2 = |x|^2 - 2xc + |c|^2, and |x|^2 is the same for every c. In float64,
    # so that rounding does not decide between near centroids.
    states, centroids = states.double(), centroids.double()
    return (centroids.square().sum(1) - 2 * states @ centroids.T).argmin(1)


def write_tokens(
    data_dirs: Sequence[PathLike],
    conf: UpstreamConfig,
    kmeans_dir: PathLike,
    device: str = "cpu",
) -> None:
    """Label every frame of the sets in all layers.

    Each set gets `<kmeans_dir>/<set>/tokens.ark`, `tokens.scp` ((T, L) float32
    matrices that hold exact integers) and `tokens.yaml`; one pass over the audio.

    Args:
        data_dirs: formatted sets, with `wav.scp`; the folder's name is the set's.
        conf: the upstream that the k-means was made with.
        kmeans_dir: folder of :func:`train_kmeans`.
        device: `cpu`, `cuda`, `cuda:1`...

    Raises:
        UserError: no k-means there, or one of another upstream.
    """
    kmeans_dir = Path(kmeans_dir)
    provenance = read_provenance(kmeans_dir / "provenance.yaml")
    kmeans_sha256 = sha256_file(kmeans_dir / "provenance.yaml")
    with folder_lock(kmeans_dir):
        todo = []
        for data_dir in map(Path, data_dirs):
            request = {
                "provenance_sha256": kmeans_sha256,
                "wav_scp_sha256": sha256_file(data_dir / "wav.scp"),
            }
            output_dir = kmeans_dir / data_dir.name
            if not is_whole(output_dir / "tokens.yaml", request):
                todo.append((data_dir, output_dir, request))
        if not todo:
            return
        upstream = load_frozen(conf, device)
        require_tokens_of(provenance, upstream.fingerprint)
        centroids = [
            torch.from_numpy(_centroids(kmeans_dir, layer, upstream)).to(device)
            for layer in provenance["layers"]
        ]
        for data_dir, output_dir, request in todo:
            wavs = read_wav_scp(data_dir / "wav.scp")
            n_frames = _label_set(upstream, centroids, wavs, output_dir)
            write_stamp(output_dir / "tokens.yaml", request, n_frames=n_frames)
            logging.info(f"{output_dir}: {len(wavs)} clips, {n_frames} frames labelled")


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


def _label_set(
    upstream: UpstreamAdapter,
    centroids: List[torch.Tensor],
    wavs: Dict[str, str],
    output_dir: Path,
) -> int:
    ark = output_dir / "tokens.ark"
    places: Dict[str, str] = {}
    n_frames = 0
    with atomic_path(ark) as tmp:
        with kaldiio.WriteHelper(f"ark:{tmp}") as writer:
            for utt, path in tqdm(wavs.items(), desc=f"{output_dir}", disable=None):
                states = hidden_states(upstream, path)
                tokens = torch.stack(
                    [nearest_centroid(s, c) for s, c in zip(states, centroids)], dim=1
                )
                # An ark entry is its key, a blank, then the matrix that scp points to.
                places[utt] = f"{ark}:{writer.fark.tell() + len(utt.encode()) + 1}"
                writer(utt, tokens.cpu().numpy().astype(np.float32))
                n_frames += len(tokens)
    write_lines(output_dir / "tokens.scp", places)
    return n_frames
