"""Upstream adapters: waveforms in, raw block outputs and true frame counts out."""

from typing import Any, Dict, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.errors import UserError

SAMPLE_RATE = 16000


class UpstreamAdapter(torch.nn.Module):
    """Base class: an upstream whose output for a clip does not depend on its batch.

    A subclass sets what is below in `__init__`, then calls :meth:`_select_layers`.

    Attributes:
        layers: numbers of the layers that :meth:`forward` returns, counted from 1.
        n_blocks: number of layers that the model has.
        hidden_size: channels of a hidden state (D).
        downsample: samples a frame (320 at 16 kHz: 20 ms).
        fingerprint: identity of the pretrained weights, set by the loader.
    """

    layers: Tuple[int, ...]
    n_blocks: int
    hidden_size: int
    downsample: int
    fingerprint: Dict[str, Any]

    def __init__(self, conf: UpstreamConfig):
        super().__init__()
        self.conf = conf

    def _select_layers(self) -> None:
        self.layers = tuple(self.conf.layers or range(1, self.n_blocks + 1))
        if self.layers[-1] > self.n_blocks:
            raise UserError(
                f"layer {self.layers[-1]} was asked of {self.conf.upstream}, which has "
                f"{self.n_blocks} layers"
            )
        if self.conf.freeze:
            self.requires_grad_(False)

    @property
    def frame_shift(self) -> float:
        """Seconds between two frames."""
        return self.downsample / SAMPLE_RATE

    def train(self, mode: bool = True) -> "UpstreamAdapter":
        """A frozen upstream stays in eval mode: no dropout."""
        return super().train(mode and not self.conf.freeze)

    def forward(
        self, speech: torch.Tensor, lengths: torch.Tensor
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        """Compute the hidden states of the chosen layers.

        Args:
            speech: (B, N) waveforms at 16 kHz, padded with anything.
            lengths: (B,) true numbers of samples.

        Returns:
            One (B, T, D) tensor a chosen layer, zero in padded frames, and (B,)
            true numbers of frames.
        """
        clips = [clip[:n] for clip, n in zip(speech, lengths.tolist())]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.conf.freeze):
            states, frame_lengths = self._forward_clips(clips)
        if self.conf.normalize:
            states = [F.layer_norm(s, s.shape[-1:]) for s in states]
        mask = frame_mask(frame_lengths, states[0].size(1))
        return [s * mask.unsqueeze(-1) for s in states], frame_lengths

    def _forward_clips(
        self, clips: List[torch.Tensor]
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        """(N_b,) waveforms -> one (B, T, D) a chosen layer, and (B,) frame counts."""
        raise NotImplementedError


def frame_mask(lengths: torch.Tensor, size: Optional[int] = None) -> torch.Tensor:
    """(B,) lengths -> (B, size) bool, True where a frame is real."""
    size = int(lengths.max()) if size is None else size
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


class ClipwiseAdapter(UpstreamAdapter):
    """Any S3PRL upstream, one clip at a time: slow, but exact for every model.

    Layer i is the i-th of S3PRL's hidden states, as many as S3PRL gives. For the
    transformer families S3PRL's list also holds the input of block 1; those have
    adapters of their own.
    """

    def __init__(self, expert: torch.nn.Module, conf: UpstreamConfig):
        super().__init__(conf)
        self.expert = expert
        self.downsample = int(expert.get_downsample_rates("hidden_states"))
        with torch.no_grad():
            states = self._run(torch.zeros(SAMPLE_RATE).normal_())
        self.n_blocks = len(states)
        self.hidden_size = states[0].size(-1)
        if any(s.shape != states[0].shape for s in states):
            raise UserError(
                f"{conf.upstream}: layers of different sizes are not supported"
            )
        self._select_layers()

    def _run(self, clip: torch.Tensor) -> List[torch.Tensor]:
        return [s[0] for s in self.expert([clip])["hidden_states"]]

    def _forward_clips(self, clips):
        all_states = [self._run(clip) for clip in clips]
        frame_lengths = torch.tensor(
            [states[0].size(0) for states in all_states], device=clips[0].device
        )
        return [
            pad_sequence([states[i - 1] for states in all_states], batch_first=True)
            for i in self.layers
        ], frame_lengths
