"""Hidden states of clips: batches of like length, read ahead while others compute."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.audio import SAMPLE_RATE, read_16k
from espnet2_distilmos.utils.errors import UserError

# Seconds a batch, with padding; 0 = clip by clip. On a CPU batches gain nothing
# (doc/performance.md), and clip by clip not even rounding depends on them.
BATCH_SECONDS = {"cpu": 0.0, "cuda": 100.0}
READ_AHEAD = 2  # batches

# (T, D), one a layer.
States = List[torch.Tensor]


def load_frozen(conf: UpstreamConfig, device: str) -> UpstreamAdapter:
    """Return the pretrained upstream in eval mode, without gradients."""
    # TF32 would round a thousand times more coarsely; it is on by default for CNNs.
    torch.backends.cudnn.allow_tf32 = False
    return build_upstream(conf).to(device).eval().requires_grad_(False)


def choose_batch_seconds(batch_seconds: Optional[float], device: str) -> float:
    """Return what was asked for, or what suits the device."""
    if batch_seconds is not None:
        return batch_seconds
    return BATCH_SECONDS[torch.device(device).type]


def cut_batches(
    lengths: Mapping[str, float], utts: Sequence[str], batch_seconds: float
) -> List[List[str]]:
    """Return IDs in batches, longest clips first.

    Args:
        lengths: samples of each clip.
        utts: the clips that are wanted.
        batch_seconds: most that a batch holds, with padding (one clip in any case).
    """
    # The sort is stable, and so the batches are the same for the same clips.
    order = sorted(utts, key=lambda utt: -lengths[utt])
    batches = []
    while order:
        longest = lengths[order[0]] / SAMPLE_RATE
        count = max(int(batch_seconds / longest), 1)
        batches.append(order[:count])
        order = order[count:]
    return batches


def read_batches(
    wavs: Mapping[str, str], batches: Iterable[List[str]]
) -> Iterator[Tuple[List[str], List[np.ndarray]]]:
    """Yield the IDs and (N,) samples of each batch; the next ones are read meanwhile.

    Raises:
        UserError: a clip cannot be read.
    """

    def read(utts: List[str]) -> Tuple[List[str], List[np.ndarray]]:
        return utts, [read_16k(wavs[utt]) for utt in utts]

    waiting = iter(batches)
    # libsndfile and torch let go of Python's lock: a thread is enough.
    with ThreadPoolExecutor(1) as thread:
        reading = [thread.submit(read, utts) for utts in islice(waiting, READ_AHEAD)]
        while reading:
            batch = reading.pop(0).result()
            reading += [thread.submit(read, utts) for utts in islice(waiting, 1)]
            yield batch


@torch.inference_mode()
def batch_states(
    upstream: UpstreamAdapter, clips: Sequence[np.ndarray]
) -> List[States]:
    """Return the states of every clip, on the upstream's device.

    Args:
        upstream: frozen, in eval mode.
        clips: (N_b,) samples at 16 kHz.

    Raises:
        UserError: a clip is too short, or the batch too large for the device.
    """
    device = next((p.device for p in upstream.parameters()), torch.device("cpu"))
    lengths = torch.tensor([len(clip) for clip in clips], device=device)
    speech = pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True)
    try:
        states, n_frames = upstream(speech.to(device), lengths)
    except torch.OutOfMemoryError as e:
        seconds = len(clips) * int(lengths.max()) / SAMPLE_RATE
        raise UserError(
            f"{device}: too little memory for a batch of {seconds:.0f} s; lower "
            "--batch_seconds"
        ) from e
    return [[state[i, :n] for state in states] for i, n in enumerate(n_frames.tolist())]


def hidden_states(upstream: UpstreamAdapter, path: str) -> States:
    """Return the states of one file, computed alone."""
    return batch_states(upstream, [read_16k(path)])[0]
