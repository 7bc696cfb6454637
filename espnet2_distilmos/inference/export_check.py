"""Whether an exported graph scores as the network does that it was made of."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import List, Tuple

import numpy as np
import torch

from espnet2_distilmos.inference.audio import AudioFile
from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.inference.inputs import collect_clips
from espnet2_distilmos.inference.windows import WINDOW
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.packs.onnx_record import Difference
from espnet2_distilmos.packs.onnx_session import OnnxSession
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike

# What a float32 graph may differ from PyTorch, MOS units.
TOLERANCE = 1e-4
# Seconds; with the shortest clip that the upstream takes, and a whole window.
_CHECKED = (0.1, 1.0, 3.33, WINDOW)


def made_up_clips(fewest: int) -> List[np.ndarray]:
    """Return clips: noise whose level changes, a buzz with pauses, and silence."""
    rng = np.random.default_rng(0)
    clips = []
    for n in (fewest, *(int(seconds * SAMPLE_RATE) for seconds in _CHECKED)):
        level = 0.1 + 0.09 * np.sin(2 * np.pi * 3 * np.arange(n) / SAMPLE_RATE)
        clips.append(level * rng.standard_normal(n))
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t)
    buzz = np.cumsum(pitch) / SAMPLE_RATE % 1 - 0.5
    clips.append(0.3 * buzz * (np.sin(2 * np.pi * 1.5 * t) > -0.3))
    clips.append(np.zeros(SAMPLE_RATE))
    return [clip.astype(np.float32) for clip in clips]


def read_clips(paths: Sequence[PathLike], fewest: int) -> List[np.ndarray]:
    """Return files at 16 kHz, each cut to a window.

    Raises:
        UserError: one that cannot be read, or has fewer than `fewest` samples.
    """
    clips = []
    for name in (clip.path for clip in collect_clips(paths)):
        blocks, n = [], 0
        for block in AudioFile(name).blocks():
            blocks.append(block)
            if (n := n + len(block)) >= WINDOW * SAMPLE_RATE:
                break
        if n < fewest:
            raise UserError(f"{name}: too short for one frame of the upstream")
        clips.append(np.concatenate(blocks)[: int(WINDOW * SAMPLE_RATE)])
    return clips


def runner(
    path: Path, n_scales: int, stored_weights: bool = False
) -> Callable[[np.ndarray], Score]:
    """Return what scores a clip of (N,) samples with a graph."""
    session = OnnxSession(path, n_scales=n_scales, stored_weights=stored_weights)
    return lambda clip: Score(*session.run(clip))


@torch.inference_mode()
def score_by_torch(network: MOSNetwork, clip: np.ndarray) -> Score:
    """Score a clip of (N,) samples with the network itself."""
    prediction = network(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
    score = Score(prediction.mos.item(), prediction.frame_mos[0].numpy())
    if prediction.scores is None or prediction.frame_scores is None:
        return score
    frames = prediction.frame_scores[0].numpy().T
    return score._replace(further=tuple(zip(prediction.scores[0].tolist(), frames)))


def difference(some: Iterable[Score], others: Iterable[Score], what: str) -> Difference:
    """Compare scores of the same clips, clip by clip; of all scales, the worst."""
    mos, frames = [], []
    for one, other in zip(some, others):
        pairs = list(zip(_of_scales(one), _of_scales(other), strict=True))
        mos.append(max(abs(a - b) for (a, _), (b, _) in pairs))
        frames.append(max(_farthest(a, b) for (_, a), (_, b) in pairs))
    return Difference(
        clips=len(mos),
        what=what,
        mos=float(max(mos)),
        mean_mos=float(np.mean(mos)),
        frame_mos=float(max(frames)),
    )


def _of_scales(score: Score) -> List[Tuple[float, np.ndarray]]:
    return [(score.mos, score.frame_mos), *score.further]


def _farthest(some: np.ndarray, others: np.ndarray) -> float:
    same = some.shape == others.shape
    return float(np.abs(some - others).max()) if same else np.inf
