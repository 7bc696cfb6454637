"""The network for one clip, without padding: what a trace of it can follow.

A graph is made by tracing: every operator that runs is written down, and what Python
decides is not. So nothing here asks a tensor for a number, and the masks of padded
batches are gone.
"""

from typing import List, Tuple

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.decoder import BiLSTM
from espnet2_distilmos.model.frame_encoder import ValidBatchNorm
from espnet2_distilmos.model.layer_weighting import EntmaxLayerWeighting
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.model.upstream.transformer import TransformerAdapter


class OneClipNetwork(torch.nn.Module):
    """Waveform to MOS, for one clip at a time, in eval mode.

    The score is on the mean scale of the training corpora, for the mean listener.

    Args:
        network: the network, which is taken apart: parts of it are exchanged.
    """

    def __init__(self, network: MOSNetwork):
        super().__init__()
        upstream = network.upstream
        if not isinstance(upstream, TransformerAdapter):
            raise TypeError(f"{type(upstream).__name__} cannot be traced")
        self.upstream, self.predictor = upstream, network.predictor
        for module in self.modules():
            _bake_parametrizations(module)
        for parent in list(self.predictor.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, ValidBatchNorm):
                    setattr(parent, name, _UnmaskedNorm(child))
                elif isinstance(child, BiLSTM):
                    setattr(parent, name, _UnpaddedLSTM(child))
                elif isinstance(child, EntmaxLayerWeighting):
                    setattr(parent, name, _FixedWeighting(child))
        self.eval()

    def forward(self, speech: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Map (N,) samples at 16 kHz -> score () and (T,) frame scores, MOS units.

        Of a model with S further scales also (S,) scores and (T, S) frame scores.
        """
        states = self.upstream.one_clip(speech)
        # Not states[0].size(1), which a trace may take for a constant.
        lengths = torch.ones_like(states[0][..., 0], dtype=torch.long).sum(1)
        n_layers = len(self.upstream.active_layers)
        prediction = self.predictor(
            states[:n_layers], lengths, pretrained=states[n_layers:]
        )
        found = (prediction.mos[0], prediction.frame_mos[0])
        if prediction.scores is None or prediction.frame_scores is None:
            return found
        return (*found, prediction.scores[0], prediction.frame_scores[0])


def _bake_parametrizations(module: torch.nn.Module) -> None:
    """Replace weights that are computed at every use (weight norm) by their values."""
    if torch.nn.utils.parametrize.is_parametrized(module):
        for name in list(module.parametrizations):  # type: ignore[arg-type]
            torch.nn.utils.parametrize.remove_parametrizations(module, name)
    if hasattr(module, "weight_g"):  # torch's older weight norm
        torch.nn.utils.remove_weight_norm(module)


class _UnmaskedNorm(torch.nn.Module):
    """BatchNorm with its running statistics, where every frame is valid."""

    def __init__(self, norm: ValidBatchNorm):
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (1, C, T) -> (1, C, T)."""
        norm = self.norm
        statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        return F.batch_norm(x, *statistics, training=False, eps=norm.eps)


class _UnpaddedLSTM(torch.nn.Module):
    """The two directions of :class:`BiLSTM` as one operator."""

    def __init__(self, lstm: BiLSTM):
        super().__init__()
        size = lstm.forwards.input_size
        self.lstm = torch.nn.LSTM(size, size, batch_first=True, bidirectional=True)
        backwards = lstm.backwards.state_dict()
        weights = {f"{name}_reverse": value for name, value in backwards.items()}
        self.lstm.load_state_dict({**lstm.forwards.state_dict(), **weights})

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (1, T, H) -> (1, T, 2H)."""
        return self.lstm(x)[0]


class _FixedWeighting(torch.nn.Module):
    """The weighted sum of layers with weights that are learned no more."""

    def __init__(self, weighting: EntmaxLayerWeighting):
        super().__init__()
        self.fixed = weighting.weights().tolist()
        self.projection = weighting.projection

    def forward(self, states: List[torch.Tensor]) -> torch.Tensor:
        """Map L tensors (1, T, D) -> (1, T, D); layers of weight 0 take no part."""
        pairs = [(w, state) for w, state in zip(self.fixed, states) if w]
        total = sum(w * state for w, state in pairs)
        return self.projection(total)
