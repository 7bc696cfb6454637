"""What fine-tuning has left of the pretrained upstream.

Three measures of each layer, on recordings that neither pretraining nor fine-tuning
has heard: the linear probes of :mod:`mini_mos.pretrain.probes`; how many frames
still fall to the token that they had (*kept*); and how well that token can be read off
the frame by a linear model fitted anew (*readable*). A layer can turn without
forgetting: then little is kept, but it stays readable.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.labels import nearest_centroid
from espnet2_distilmos.tokens.layout import layer_file
from espnet2_distilmos.tokens.provenance import read_provenance
from espnet2_distilmos.tokens.standard import is_standardized
from espnet2_distilmos.utils.arrays import read_array
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from mini_mos.experiment.results import PRETRAINED, read_results
from mini_mos.pretrain.probe_clips import ProbeClip
from mini_mos.pretrain.probes import folds_of, layer_frames, run_probes

KEPT, READABLE = "token kept", "token readable"
_FRAMES = 20_000  # that the linear model is fitted on, at most
_RIDGE = 10.0

Checkpoint = Tuple[PathLike, PathLike]  # config.yaml and the weights
Frames = Mapping[str, Sequence[np.ndarray]]


def _augmented(frames: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.pad((frames - mean) / scale, ((0, 0), (0, 1)), constant_values=1.0)


def readable_share(
    frames: Sequence[np.ndarray],
    tokens: Sequence[np.ndarray],
    folds: np.ndarray,
    n_tokens: int,
) -> float:
    """Return the accuracy of a linear (ridge, one-hot) reading of tokens on fold 0.

    Args:
        frames: (T, D) of each clip.
        tokens: (T,) of each clip.
        folds: (n,) of each clip; it is fitted on all but 0.
        n_tokens: clusters.
    """

    def part(test: bool) -> Tuple[np.ndarray, np.ndarray]:
        chosen = [i for i, fold in enumerate(folds) if (fold == 0) == test]
        return (
            np.concatenate([frames[i] for i in chosen]).astype(np.float64),
            np.concatenate([tokens[i] for i in chosen]),
        )

    (x, y), (x_test, y_test) = part(False), part(True)
    step = max(1, -(-len(x) // _FRAMES))  # evenly, the same for all models
    x, y = x[::step], y[::step]
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    a = _augmented(x, mean, scale)
    wanted = np.zeros((len(y), n_tokens))
    wanted[np.arange(len(y)), y] = 1.0
    weights = np.linalg.solve(a.T @ a + _RIDGE * np.eye(a.shape[1]), a.T @ wanted)
    guess = (_augmented(x_test, mean, scale) @ weights).argmax(axis=1)
    return float(np.mean(guess == y_test))


def _tokens(frames: np.ndarray, centres: torch.Tensor) -> np.ndarray:
    return nearest_centroid(torch.from_numpy(frames), centres).numpy()


def token_figures(
    pretrained: Frames,
    tuned: Frames,
    centroids: Mapping[str, np.ndarray],
    folds: np.ndarray,
) -> Dict[str, Dict[str, float]]:
    """Return `layer <i>` -> :data:`KEPT` and :data:`READABLE`.

    Args:
        pretrained: layer -> frames (T, D) of each clip.
        tuned: the same clips after fine-tuning.
        centroids: layer -> (k, D), from the pretrained upstream.
        folds: (n,) of each clip.
    """
    figures = {}
    for layer, before in pretrained.items():
        centres = torch.from_numpy(centroids[layer])
        tokens = [_tokens(f, centres) for f in before]
        now = [_tokens(f, centres) for f in tuned[layer]]
        same = np.concatenate([a == b for a, b in zip(tokens, now, strict=True)])
        figures[layer] = {
            KEPT: float(same.mean()),
            READABLE: readable_share(tuned[layer], tokens, folds, len(centres)),
        }
    return figures


def tuned_upstream(train_config: PathLike, model: PathLike, folder: PathLike):
    """Return the UpstreamConfig of a run's fine-tuned upstream, kept in `folder`."""
    from espnet2_distilmos.packs.load import load_network
    from espnet2_distilmos.packs.upstream_files import save_upstream

    conf = save_upstream(load_network(train_config, model).upstream, folder)
    conf["path_or_url"] = str(Path(folder) / conf["path_or_url"])
    return UpstreamConfig.from_dict(conf, str(train_config))


def measured_before(
    path: PathLike, request: Mapping[str, Any], digests: Mapping[str, str]
) -> Dict[str, Any]:
    """Return name -> figures in `path` of an equal request and the same models.

    Args:
        path: of an earlier call; nothing is known if there is no such file.
        request: what all figures depend on.
        digests: name -> SHA-256 of its checkpoint.
    """
    if not Path(path).exists():
        return {}
    keys = ("request", "models", "sha256")
    found = read_results(path, "what measure_forgetting writes", keys)
    if found["request"] != request:
        return {}
    known = {PRETRAINED: None, **digests}
    return {
        name: figures
        for name, figures in found["models"].items()
        if name in known and found["sha256"].get(name) == known[name]
    }


def measure_forgetting(
    pretrained: UpstreamConfig,
    runs: Mapping[str, Optional[Checkpoint]],
    clips: List[ProbeClip],
    kmeans_dir: PathLike,
    seed: int,
) -> Iterator[Tuple[str, Dict[str, Dict[str, Any]]]]:
    """Measure the upstream of every run, beside the pretrained one.

    Args:
        pretrained: where they all come from.
        runs: name -> config.yaml and checkpoint; None: the pretrained upstream itself.
        clips: of :func:`~mini_mos.pretrain.probe_clips.make_probe_clips`.
        kmeans_dir: centroids of the pretrained upstream (`layer_NN.npy`).
        seed: of the probes.

    Yields:
        Name, and layer -> measure -> value (None where undefined).

    Raises:
        UserError: centroids of standardised states.
    """
    if is_standardized(read_provenance(Path(kmeans_dir) / "provenance.yaml")):
        raise UserError(
            f"{kmeans_dir}: centroids of standardised states; give those of plain "
            "ones, by which all models are measured alike"
        )
    folds = folds_of([c.prompt for c in clips], seed)
    before = layer_frames(pretrained, clips)
    centroids = {
        layer: read_array(layer_file(kmeans_dir, int(layer.split()[1])))
        for layer in before
    }

    def figures(conf: UpstreamConfig, frames: Frames) -> Dict[str, Dict[str, Any]]:
        probed = run_probes({"x": conf}, clips, seed)["figures"]["x"]
        tokens = token_figures(before, frames, centroids, folds)
        return {layer: {**probed[layer], **tokens[layer]} for layer in before}

    for name, checkpoint in runs.items():
        if checkpoint is None:
            yield name, figures(pretrained, before)
            continue
        with tempfile.TemporaryDirectory() as tmp:
            conf = tuned_upstream(*checkpoint, tmp)
            yield name, figures(conf, layer_frames(conf, clips))
