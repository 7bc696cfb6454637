"""Where a model is run, and how much of it at once."""

import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError

# Seconds with padding. On a CPU the gain of batches ends early, memory does not.
BATCH_SECONDS = {"cpu": 15.0, "cuda": 400.0}


def choose_device(name: str) -> torch.device:
    """Return a device by name; `auto` is CUDA if there is any.

    Raises:
        UserError: no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as e:
        raise UserError(f"no device {name!r}; choose auto, cpu or cuda") from e
    if device.type not in BATCH_SECONDS:
        raise UserError(f"device {name!r} is not supported; choose auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: this machine has no usable CUDA GPU")
    return device


def fewest_samples(upstream: UpstreamAdapter) -> int:
    """Return the fewest samples of which the upstream makes a frame."""
    frame_count = getattr(upstream, "frame_count", None)
    if frame_count is None:
        # Filter banks: a window of 25 ms, and one more frame for their deltas.
        return 400 + upstream.downsample
    low, high = 0, SAMPLE_RATE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if frame_count(middle) >= 1 else (middle, high)
    return high
