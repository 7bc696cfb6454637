"""What a predictor says of a batch."""

from dataclasses import dataclass
from typing import List, Optional

import torch

from espnet2_distilmos.model.holding import ComparedStates


@dataclass
class Prediction:
    """What a predictor says of a batch.

    Attributes:
        mos: (B,) utterance scores in MOS units, not clipped.
        frame_mos: (B, T) frame scores; only the first `lengths` of a row count.
        lengths: (B,) numbers of frames.
        token_logits: one (B, T, k) tensor a target layer and codebook, or None.
        listener_mos: (P,) scores of the (clip, listener) pairs that were asked for.
        scores: (B, S) utterance scores on the S further scales, or None.
        frame_scores: (B, T, S) of frames, likewise.
        listener_frame_mos: (P, T) scores of frames of the pairs, or None.
        states: of the upstream, where it is asked for pretrained ones beside them.
    """

    mos: torch.Tensor
    frame_mos: torch.Tensor
    lengths: torch.Tensor
    token_logits: Optional[List[torch.Tensor]] = None
    listener_mos: Optional[torch.Tensor] = None
    scores: Optional[torch.Tensor] = None
    frame_scores: Optional[torch.Tensor] = None
    listener_frame_mos: Optional[torch.Tensor] = None
    states: Optional[ComparedStates] = None
