"""States of an upstream, clip by clip."""

from collections.abc import Sequence
from typing import Dict, List

import numpy as np
import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter


def layer_frames(
    upstream: UpstreamAdapter, clips: Sequence[np.ndarray]
) -> Dict[str, List[np.ndarray]]:
    """Return `layer <i>` -> frames (T, D) of each clip (N,), in eval mode on a CPU."""
    upstream.eval()
    layers: Dict[str, List[np.ndarray]] = {f"layer {i}": [] for i in upstream.layers}
    for clip in clips:
        x = torch.from_numpy(clip)[None]
        with torch.no_grad():
            states, _ = upstream(x, torch.tensor([x.shape[1]]))
        # Behind them, of a model with a readout: states as pretrained.
        chosen = states[: len(layers)]
        for store, state in zip(layers.values(), chosen, strict=True):
            store.append(state[0].numpy())
    return layers
