"""Predictors: from the upstream's hidden states to MOS."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import List, Optional, Sequence

import torch

from espnet2_distilmos.model.decoder import MOSDecoder, mean_of_frames, scale_output
from espnet2_distilmos.model.frame_encoder import FrameEncoder
from espnet2_distilmos.model.layer_weighting import LAYER_WEIGHTINGS
from espnet2_distilmos.model.pooling import POOLINGS
from espnet2_distilmos.model.token_heads import TokenHeads


@dataclass
class Prediction:
    """What a predictor says of a batch.

    Attributes:
        mos: (B,) utterance scores in MOS units, not clipped.
        frame_mos: (B, T) frame scores; only the first `lengths` of a row count.
        lengths: (B,) numbers of frames.
        token_logits: one (B, T, k) tensor a target layer, or None.
        upstream_lengths: (B,) frames of the upstream, before any stride.
    """

    mos: torch.Tensor
    frame_mos: torch.Tensor
    lengths: torch.Tensor
    token_logits: Optional[List[torch.Tensor]] = None
    upstream_lengths: Optional[torch.Tensor] = None


class AbsPredictor(torch.nn.Module, ABC):
    """Base of all predictors.

    Attributes:
        target_layers: layer numbers that the token heads predict; empty = no heads.
        stride: upstream frames a frame of the prediction.
    """

    target_layers: Sequence[int] = ()
    stride: int = 1

    @abstractmethod
    def forward(
        self,
        states: List[torch.Tensor],
        lengths: torch.Tensor,
        with_tokens: bool = False,
    ) -> Prediction:
        """L tensors (B, T, D) and (B,) frame counts -> :class:`Prediction`."""

    def layer_weights(self) -> Optional[torch.Tensor]:
        """(L,) weights of the layers, or None where they are not learned."""
        return None


class DistilMOSPredictor(AbsPredictor):
    """The network of DistilMOS (arXiv 2601.13700).

    Args:
        layers: numbers of the layers that the upstream gives.
        input_size: channels of a hidden state (D).
        n_tokens: number of k-means clusters (k); 0 = no token heads.
        target_layers: layers whose tokens are predicted; None = all of `layers`.
        hidden_size: channels inside (H).
        kernels: odd kernel sizes of the frame encoder's blocks.
        strides: their strides.
        dropout: in the decoder.
        layer_weighting: `entmax` (published) or `softmax`.
        pooling: of frame scores, `mean` (published) or `attention`.
    """

    def __init__(
        self,
        layers: Sequence[int],
        input_size: int,
        n_tokens: int,
        target_layers: Optional[Sequence[int]] = None,
        hidden_size: int = 256,
        kernels: Sequence[int] = (5, 3, 3),
        strides: Sequence[int] = (1, 1, 1),
        dropout: float = 0.1,
        layer_weighting: str = "entmax",
        pooling: str = "mean",
    ):
        super().__init__()
        for name, value, known in (
            ("layer_weighting", layer_weighting, LAYER_WEIGHTINGS),
            ("pooling", pooling, POOLINGS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, not {value!r}")
        weighting_class = LAYER_WEIGHTINGS[layer_weighting]
        self.weighting = weighting_class(len(layers), input_size)
        self.frame_encoder = FrameEncoder(input_size, hidden_size, kernels, strides)
        self.decoder = MOSDecoder(hidden_size, dropout)
        self.pooling = POOLINGS[pooling](hidden_size)
        for stride in strides:
            self.stride *= stride
        # Made last, so that a seed gives the other parts the same start without them.
        self.token_heads = None
        if n_tokens > 0:
            self.target_layers = tuple(target_layers or layers)
            unknown = sorted(set(self.target_layers) - set(layers))
            if unknown:
                raise ValueError(f"target_layers {unknown} are not among {layers}")
            self.token_heads = TokenHeads(
                len(self.target_layers), hidden_size, n_tokens
            )

    def forward(self, states, lengths, with_tokens=False):
        """See :class:`AbsPredictor`."""
        frames, steps = self.frame_encoder(self.weighting(states), lengths)
        frame_mos = self.decoder(frames, steps)
        logits = self.token_heads(frames) if with_tokens and self.token_heads else None
        mos = self.pooling(frame_mos, frames, steps)
        return Prediction(mos, frame_mos, steps, logits, lengths)

    def layer_weights(self) -> torch.Tensor:
        """(L,) weights; they sum to 1."""
        return self.weighting.weights()


class SSLMOSPredictor(AbsPredictor):
    """Plain SSL-MOS (arXiv 2110.02635): linear on the mean of the last layer.

    Args: see :class:`DistilMOSPredictor`; tokens are refused, there are no heads.
    """

    def __init__(self, layers: Sequence[int], input_size: int, n_tokens: int):
        super().__init__()
        if n_tokens > 0:
            raise ValueError("SSL-MOS has no token heads; set token_weight to 0")
        self.output = scale_output(input_size)

    def forward(self, states, lengths, with_tokens=False):
        """See :class:`AbsPredictor`."""
        # The mean of linear values is the linear value of the mean.
        frame_mos = self.output(states[-1]).squeeze(-1)
        mos = mean_of_frames(frame_mos, lengths)
        return Prediction(mos, frame_mos, lengths, None, lengths)
