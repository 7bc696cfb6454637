"""What can be read off each layer with a linear model, and what its tokens stand for.

Every figure is from recordings that the probe was not fitted on: prompts are shared
out over folds, all versions and translations of a prompt in the same one.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Dict, Optional, Tuple

import numpy as np
import torch

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.signal import generator
from mini_mos.pretrain.frame_classes import frame_classes
from mini_mos.pretrain.frames import layer_frames
from mini_mos.pretrain.probe_clips import CLEAN, ProbeClip
from mini_mos.pretrain.targets import LogMel

FOLDS = 5
TOKENS = 100  # clusters a layer for the purity
_TOKEN_FRAMES = 40_000  # frames that they are learned from, at most
_ALPHAS = np.logspace(0, 5, 6)  # ridge penalties, chosen within the training folds

# Name -> class or value of a clip (None: the clip takes no part), and what it says.
PROBES: Dict[str, Tuple[Callable[[ProbeClip], object], str]] = {
    "speaker": (lambda c: c.voice, "voice; balanced accuracy"),
    "language": (lambda c: c.language, "language; balanced accuracy"),
    "language, one voice": (
        lambda c: c.language if c.voice == "en_es" else None,
        "English or Spanish by the same talent; balanced accuracy",
    ),
    "degradation": (lambda c: c.kind, "family, or clean; balanced accuracy"),
    "level": (
        lambda c: None if c.kind == CLEAN else c.severity,
        "severity of the degradation; Pearson correlation",
    ),
}
PURITY = "token purity"


def folds_of(prompts: Sequence[str], seed: int) -> np.ndarray:
    """Fold (n,) of each clip, by the name of its prompt."""
    names = generator(seed, "probe folds").permutation(sorted(set(prompts)))
    place = {str(name): i % FOLDS for i, name in enumerate(names)}
    return np.array([place[p] for p in prompts])


def _scaled(train: np.ndarray, test: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    mean, scale = train.mean(axis=0), train.std(axis=0) + 1e-6
    return (train - mean) / scale, (test - mean) / scale


def probe(
    features: np.ndarray, values: Sequence[object], folds: np.ndarray
) -> Optional[float]:
    """Cross-validate: balanced accuracy of classes, or correlation of numbers.

    Args:
        features: (n, D).
        values: of each clip; text is a class, None takes no part.
        folds: (n,).

    Returns:
        None where there are fewer than two classes, or one lacks from some fold's
        training clips.
    """
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV

    use = np.array([v is not None for v in values])
    x, where = features[use], folds[use]
    y = np.array([v for v in values if v is not None])
    classes = y.dtype.kind in "US"
    guess = np.empty_like(y)
    if len(y) == 0 or (classes and len(set(y)) < 2):
        return None
    for fold in np.unique(where):
        test = where == fold
        if not (~test).any() or (classes and set(y[~test]) != set(y)):
            return None
        a, b = _scaled(x[~test], x[test])
        if classes:
            model = RidgeClassifierCV(_ALPHAS, class_weight="balanced")
        else:
            model = RidgeCV(_ALPHAS)
        guess[test] = model.fit(a, y[~test]).predict(b)
    if classes:
        return float(np.mean([np.mean(guess[y == c] == c) for c in sorted(set(y))]))
    return float(np.corrcoef(guess, y)[0, 1])


def token_purity(
    frames: Sequence[np.ndarray],
    classes: Sequence[np.ndarray],
    folds: np.ndarray,
    seed: int,
) -> float:
    """Return the share of frames whose class is what their token mostly stands for.

    Tokens and their classes are learned on all folds but 0 and counted on fold 0.

    Args:
        frames: (T, D) of each clip.
        classes: (T,) of each clip, of :func:`frame_classes`.
        folds: (n,).
        seed: of the frames that are kept, and of k-means.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    def part(test: bool) -> Tuple[np.ndarray, np.ndarray]:
        chosen = [i for i, fold in enumerate(folds) if (fold == 0) == test]
        if not chosen:
            raise UserError(f"the probes need at least {FOLDS} prompts")
        return (
            np.concatenate([frames[i] for i in chosen]),
            np.concatenate([classes[i] for i in chosen]),
        )

    (x, y), (x_test, y_test) = part(False), part(True)
    keep = generator(seed, "token frames").permutation(len(x))[:_TOKEN_FRAMES]
    x, y = x[keep], y[keep]
    with threadpool_limits(1):
        k = min(TOKENS, len(x))
        kmeans = MiniBatchKMeans(k, batch_size=4096, n_init=3, random_state=seed)
        tokens = kmeans.fit_predict(x)
        found = kmeans.predict(x_test)
    votes = np.zeros((k, int(max(y.max(), y_test.max())) + 1))
    np.add.at(votes, (tokens, y), 1)
    return float(np.mean(votes.argmax(axis=1)[found] == y_test))


def _statistics(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n, 2D): mean and standard deviation over time of each clip's (T, D)."""
    return np.stack([np.concatenate([f.mean(0), f.std(0)]) for f in frames])


def run_probes(
    upstreams: Mapping[str, UpstreamConfig], clips: Sequence[ProbeClip], seed: int
) -> dict:
    """Run all probes of all layers of all models, and of the log-mel spectrum.

    Returns:
        `chance`: probe -> what guessing gives. `figures`: model -> layer -> probe ->
        value, None where it is undefined.
    """
    folds = folds_of([c.prompt for c in clips], seed)
    log_mel = LogMel()
    classes = [frame_classes(c.samples, log_mel) for c in clips]
    values = {name: [get(c) for c in clips] for name, (get, _) in PROBES.items()}
    with torch.no_grad():
        mels = [log_mel(torch.from_numpy(c.samples)[None])[0].numpy() for c in clips]

    def all_probes(frames: Sequence[np.ndarray]) -> Dict[str, Optional[float]]:
        n = min(map(len, (*frames, *classes)))
        if n < 1:
            raise UserError("a clip for the probes has no frame")
        whole = _statistics(frames)
        figures = {name: probe(whole, v, folds) for name, v in values.items()}
        cut = [f[: len(c)] for f, c in zip(frames, classes, strict=True)]
        matched = [c[: len(f)] for f, c in zip(cut, classes, strict=True)]
        figures[PURITY] = token_purity(cut, matched, folds, seed)
        return figures

    figures = {"log-mel": {"spectrum": all_probes(mels)}}
    samples = [c.samples for c in clips]
    for name, conf in upstreams.items():
        figures[name] = {}
        for layer, frames in layer_frames(build_upstream(conf), samples).items():
            figures[name][layer] = all_probes(frames)
            logging.info(f"{name}, {layer}: {figures[name][layer]}")
    chance: Dict[str, float] = {}
    for name, of_clips in values.items():
        kinds = {v for v in of_clips if v is not None}
        text = any(isinstance(v, str) for v in kinds)
        chance[name] = 1 / len(kinds) if text else 0.0
    flat = np.concatenate(classes)
    chance[PURITY] = float(np.bincount(flat).max() / len(flat))
    return {"chance": chance, "figures": figures}
