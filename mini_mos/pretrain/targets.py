"""What is to be predicted of each frame: clusters of the spectrum and of layers.

All targets are taken from the clip as it is, degradations included: targets of the
clean recording would teach the model to hear through them, and a MOS predictor has to
hear them.
"""

import logging
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
import torch

from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path, sha256_file
from espnet2_distilmos.utils.stamp import is_whole, write_stamp
from espnet2_distilmos.utils.terminal import counted
from mini_mos.corpus.signal import generator
from mini_mos.pretrain.config import SSLConfig
from mini_mos.pretrain.corpus import SSLCorpus
from mini_mos.pretrain.model import build_wavlm, hidden_states

MELS, WINDOW, HOP, N_FFT = 40, 400, 320, 512  # bins; samples, as WavLM's CNN frames
_FLOOR = 1e-7  # of a mel bin's power


class LogMel(torch.nn.Module):
    """Log-mel spectrum on the frames of WavLM's CNN, without the level of the clip."""

    def __init__(self) -> None:
        super().__init__()
        import torchaudio

        self.mel = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE,
            n_fft=N_FFT,
            win_length=WINDOW,
            hop_length=HOP,
            f_min=40.0,
            f_max=7900.0,
            n_mels=MELS,
            center=False,
            power=2.0,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, N) to (B, T, 40) nats; the mean of each clip is 0."""
        frames = (x.shape[-1] - WINDOW) // HOP + 1
        side = (N_FFT - WINDOW) // 2
        x = torch.nn.functional.pad(x, (side, N_FFT))
        y = torch.log(self.mel(x) + _FLOOR).transpose(1, 2)[:, :frames]
        return y - y.mean(dim=(1, 2), keepdim=True)


class Targets(torch.nn.Module):
    """Code books: product quantisation of the log-mel spectrum, and layers of a model.

    Args:
        band_centroids: (bands, k, 40 / bands).
        layers: layers of the teacher; empty in iteration 1.
        layer_centroids: (layers, k, D).
        teacher: `{"cfg", "model"}` of the last iteration.
    """

    def __init__(
        self,
        band_centroids: torch.Tensor,
        layers: List[int],
        layer_centroids: torch.Tensor,
        teacher: Optional[Dict[str, Any]],
    ) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.layers = list(layers)
        self.register_buffer("band_centroids", band_centroids)
        self.register_buffer("layer_centroids", layer_centroids)
        self.teacher = None
        if teacher is not None:
            self.teacher = build_wavlm(teacher["cfg"])
            self.teacher.load_state_dict(teacher["model"])
        self.requires_grad_(False).eval()

    @property
    def sizes(self) -> List[int]:
        """Clusters of each code book, bands first."""
        return [self.band_centroids.shape[1]] * len(self.band_centroids) + [
            self.layer_centroids.shape[1]
        ] * len(self.layers)

    def weights(self, layer_weight: float) -> List[float]:
        """Return the share of each code book in the loss; they sum to 1."""
        bands, layers = len(self.band_centroids), len(self.layers)
        rest = layer_weight if layers else 0.0
        return [(1 - rest) / bands] * bands + [rest / max(1, layers)] * layers

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map waveforms (B, N) to clusters (B, T, code books), int64."""
        self.eval()
        width = self.band_centroids.shape[2]
        parts = list(self.log_mel(x).split(width, dim=-1))
        books = list(self.band_centroids)
        if self.teacher is not None:
            parts += hidden_states(self.teacher, x, self.layers)
            books += list(self.layer_centroids)
        labels = [
            torch.cdist(part.contiguous(), book.expand(len(x), -1, -1)).argmin(-1)
            for part, book in zip(parts, books)
        ]
        return torch.stack(labels, dim=-1)


def _cluster(frames: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return centroids (k, D) float32 of frames (n, D), with one thread."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    if len(frames) < k:
        raise UserError(f"{len(frames)} frames are too few for {k} clusters")
    with threadpool_limits(1):
        kmeans = MiniBatchKMeans(k, batch_size=4096, n_init=3, random_state=seed)
        return kmeans.fit(frames).cluster_centers_.astype(np.float32)


def learn_targets(
    corpus_dir: PathLike,
    config: SSLConfig,
    path: PathLike,
    teacher: Optional[PathLike] = None,
) -> None:
    """Learn the code books from training clips; do nothing if that is done.

    Args:
        corpus_dir: folder of stage 1.
        config: `targets` and `seed` are used.
        path: file to write, `.pt` with plain tensors only.
        teacher: last iteration's `model.pt`; None in iteration 1.

    Raises:
        UserError: too little audio, or no such teacher.
    """
    corpus, options, path = SSLCorpus(corpus_dir), config.targets, Path(path)
    if MELS % options.bands:
        raise UserError(f"targets: bands must divide {MELS}, not {options.bands}")
    if teacher is not None and not Path(teacher).exists():
        raise UserError(f"{teacher}: no such file; train the iteration before first")
    request = {
        "corpus": corpus.identity,
        "targets": config.to_dict()["targets"],
        "seed": config.seed,
        "teacher_sha256": sha256_file(teacher) if teacher else None,
    }
    stamp = path.with_suffix(".yaml")
    if path.exists() and is_whole(stamp, request):
        return
    rng = generator(config.seed, "ssl", "targets")
    clips = rng.permutation(corpus.part("train"))[: options.clips]
    saved = torch.load(teacher, weights_only=True) if teacher else None
    layers = options.layers if saved else []
    mel, model = LogMel(), None
    if saved is not None:
        model = build_wavlm(saved["cfg"])
        model.load_state_dict(saved["model"])
        model.eval()
        depth = model.cfg.encoder_layers
        if not layers or not all(0 < layer <= depth for layer in layers):
            raise UserError(f"targets: layers must be in 1..{depth}, not {layers}")
    seen: List[List[np.ndarray]] = [[] for _ in range(1 + len(layers))]
    for i in clips:
        x = torch.from_numpy(corpus.clip(int(i)))[None]
        with torch.no_grad():
            found = [mel(x)] + (hidden_states(model, x, layers) if model else [])
        for store, frames in zip(seen, found):
            store.append(frames[0].numpy())
    keep = rng.permutation(sum(map(len, seen[0])))[: options.max_frames]
    spectrum, *states = [np.concatenate(store)[keep] for store in seen]
    bands = np.split(spectrum, options.bands, axis=1)
    logging.info(
        f"{counted(len(keep), 'frame')} of {counted(len(clips), 'clip')} to cluster"
    )
    band_centroids = [_cluster(b, options.band_clusters, config.seed) for b in bands]
    layer_centroids = [_cluster(s, options.layer_clusters, config.seed) for s in states]
    with atomic_path(path) as tmp:
        torch.save(
            {
                "band_centroids": torch.from_numpy(np.stack(band_centroids)),
                "layers": list(layers),
                "layer_centroids": torch.from_numpy(np.stack(layer_centroids))
                if layers
                else torch.zeros(0, 0, 0),
                "teacher": saved,
            },
            tmp,
        )
    write_stamp(stamp, request, frames=len(keep), clips=len(clips))


def load_targets(path: PathLike) -> Targets:
    """Read what :func:`learn_targets` wrote.

    Raises:
        UserError: it is not there yet.
    """
    if not Path(path).exists():
        raise UserError(f"{path}: no such file; learn the targets first")
    return Targets(**torch.load(path, weights_only=True))
