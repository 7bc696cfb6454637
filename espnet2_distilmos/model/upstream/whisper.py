"""The encoder of Whisper, of transformers' kind."""

from typing import Any, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.model.upstream.family import Pretraining
from espnet2_distilmos.model.upstream.hf_whisper.expert import convolve
from espnet2_distilmos.model.upstream.one_clip_log_mel import OneClipLogMel
from espnet2_distilmos.model.upstream.transformer import TransformerAdapter
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError


class WhisperAdapter(TransformerAdapter):
    """Encoder of Whisper (arXiv 2212.04356): log-mel bands, two convolutions, blocks.

    A clip is not padded to 30 s. A checkpoint does not tell the `feature_grad_mult` of
    its pretraining: it is 1. The positions are sinusoids, which are not trained.
    """

    models: Tuple[str, ...] = (
        "transformers.models.whisper.modeling_whisper.WhisperEncoder",
    )

    def __init__(self, expert: Any, *args: Any, **kwargs: Any):
        super().__init__(expert, *args, **kwargs)
        self.log_mel = expert.log_mel
        self.downsample *= self.log_mel.hop
        self.max_frames = self.model.embed_positions.num_embeddings

    def pretraining(self, expert, cfg):
        """See :class:`TransformerAdapter`."""
        return Pretraining(None, 1.0, expert.model.layerdrop)

    @property
    def cnn(self) -> torch.nn.Module:
        """See :class:`TransformerAdapter`."""
        return torch.nn.ModuleList([self.model.conv1, self.model.conv2])

    @property
    def encoder(self) -> Any:
        """See :class:`TransformerAdapter`."""
        return self.model

    def frame_count(self, n_samples: int) -> int:
        """Frames of a clip: 16000 samples give 50."""
        return (self.log_mel.n_frames(n_samples) + 1) // 2

    def _input_modules(self):
        return []

    def _require_lengths(self, clips, counts):
        super()._require_lengths(clips, counts)
        if max(counts) > self.max_frames:
            seconds = self.max_frames * self.downsample / SAMPLE_RATE
            longest = max(len(clip) for clip in clips) / SAMPLE_RATE
            raise UserError(
                f"a clip of {longest:.1f} s: {self.conf.upstream} takes at most "
                f"{seconds:g} s at a time; score in windows (window_seconds, 20 by "
                f"default), train with --max_wav_duration {seconds:g} or less"
            )

    def _features(self, clips, counts, trained):
        bands = [self.log_mel(clip) for clip in clips]
        lengths = torch.tensor([len(b) for b in bands], device=clips[0].device)
        padded = pad_sequence(bands, batch_first=True)
        return self._keep_or_repeat(self._convolve_bands, padded, lengths)

    def _features_of_one(self, clip):
        bands = OneClipLogMel(self.log_mel)(clip).unsqueeze(0)
        lengths = torch.ones_like(bands[..., 0], dtype=torch.long).sum(1)
        return self._convolve_bands(bands, lengths)

    def _convolve_bands(
        self, bands: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """(B, M, bands) and (B,) true lengths -> (B, T, D)."""
        return convolve(self.model, bands, lengths)[0]

    def _project(self, features):
        return features

    def _enter(self, x, mask):
        x = x + self.model.embed_positions.weight[: x.size(1)].detach()
        return F.dropout(x, self.model.dropout, self.model.training)

    def _padding(self, x, mask):
        """(B, 1, 1, T) floats to add to the scores (B, heads, T, T)."""
        return super()._padding(x, mask)[:, None, None]

    def _block(self, block, x, padding, shared):
        return block(x, padding), None
