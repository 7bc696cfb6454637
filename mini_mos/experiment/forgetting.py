"""What fine-tuning has left of the pretrained upstream.

Two measures of each layer, on clips of the validation set: how many frames still fall
to the token that they had (*kept*), and how well that token can be read off the frame
by a linear model fitted anew (*readable*). A layer can turn without forgetting: then
little is kept, but it stays readable.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.report.tables import markdown_table
from espnet2_distilmos.tokens.labels import nearest_centroid, read_centroids
from espnet2_distilmos.tokens.provenance import read_provenance
from espnet2_distilmos.tokens.standard import is_standardized
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from mini_mos.pretrain.frames import layer_frames

KEPT, READABLE = "token kept", "token readable"
PRETRAINED = "pretrained"  # among the measured models
_FRAMES = 20_000  # that the linear model is fitted on, at most
_RIDGE = 10.0
_FOLDS = 5  # of prompts; one of them tells how readable tokens are

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
    centroids: Mapping[str, torch.Tensor],
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
        centres = centroids[layer]
        tokens = [_tokens(f, centres) for f in before]
        now = [_tokens(f, centres) for f in tuned[layer]]
        same = np.concatenate([a == b for a, b in zip(tokens, now, strict=True)])
        figures[layer] = {
            KEPT: float(same.mean()),
            READABLE: readable_share(tuned[layer], tokens, folds, len(centres)),
        }
    return figures


def measure_forgetting(
    pretrained: UpstreamAdapter,
    models: Mapping[str, Checkpoint],
    clips: Sequence[np.ndarray],
    prompts: Sequence[str],
    kmeans_dir: PathLike,
) -> Iterator[Tuple[str, Dict[str, Dict[str, float]]]]:
    """Measure the upstream of every model, after the pretrained one.

    Args:
        pretrained: the upstream that they all come from.
        models: name -> config.yaml and checkpoint.
        clips: (n,) samples at 16 kHz each.
        prompts: (n,) what is said in them; no prompt is fitted to and read as well.
        kmeans_dir: centroids of the pretrained upstream (`layer_NN.npy`).

    Yields:
        Name, and layer -> measure -> value.

    Raises:
        UserError: centroids of standardised states or of another size, or too few
            prompts.
    """
    from espnet2_distilmos.packs.load import load_network

    if is_standardized(read_provenance(Path(kmeans_dir) / "provenance.yaml")):
        raise UserError(
            f"{kmeans_dir}: centroids of standardised states; give those of plain "
            "ones, by which all models are measured alike"
        )
    names = sorted(set(prompts))
    if len(names) < _FOLDS:
        raise UserError(f"{len(names)} prompts; at least {_FOLDS} are needed")
    folds = np.array([names.index(prompt) % _FOLDS for prompt in prompts])
    before = layer_frames(pretrained, clips)
    centroids = {
        layer: read_centroids(kmeans_dir, int(layer.split()[1]), frames[0].shape[1])
        for layer, frames in before.items()
    }
    yield PRETRAINED, token_figures(before, before, centroids, folds)
    for name, checkpoint in models.items():
        now = layer_frames(load_network(*checkpoint).upstream, clips)
        yield name, token_figures(before, now, centroids, folds)


def mean_of_seeds(measured: Mapping[str, Mapping]) -> Dict[str, Dict]:
    """Return arm -> layer -> measure -> mean over its seeds, of `<arm>_s<seed>`."""
    by_arm: Dict[str, List[Mapping]] = {}
    for name, layers in measured.items():
        by_arm.setdefault(name.rsplit("_s", 1)[0], []).append(layers)
    return {
        arm: {
            layer: {
                measure: float(np.mean([one[layer][measure] for one in own]))
                for measure in own[0][layer]
            }
            for layer in own[0]
        }
        for arm, own in by_arm.items()
    }


def forgetting_table(measured: Mapping[str, Mapping]) -> str:
    """Return a table (Markdown) of :func:`mean_of_seeds`."""
    layers = list(next(iter(measured.values())))
    rows = [
        [arm, measure, *(f"{own[layer][measure]:.2f}" for layer in layers)]
        for arm, own in measured.items()
        for measure in own[layers[0]]
    ]
    return markdown_table(["arm", "share of tokens", *layers], rows)
