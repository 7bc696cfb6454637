"""S3PRL's copies of fairseq's models: HuBERT, wav2vec 2.0, data2vec."""

from typing import Any, Mapping

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.upstream.family import Pretraining
from espnet2_distilmos.model.upstream.transformer import (
    WAVEFORM_EPS,
    TransformerAdapter,
)


class FairseqAdapter(TransformerAdapter):
    """Names of modules as in fairseq, and blocks that want (T, B, D)."""

    def pretraining(self, expert, cfg):
        """See :class:`TransformerAdapter`."""
        return self._pretraining(expert.wav_normalize, vars(expert.model.cfg))

    def _pretraining(self, normalize: Any, cfg: Mapping) -> Pretraining:
        return Pretraining(
            WAVEFORM_EPS if normalize else None,
            # The defaults are those of fairseq's model configurations.
            cfg.get("feature_grad_mult", 1.0),
            cfg.get("encoder_layerdrop", 0.0),
        )

    @property
    def cnn(self) -> torch.nn.Module:
        """See :class:`TransformerAdapter`."""
        return self.model.feature_extractor

    @property
    def encoder(self) -> Any:
        """See :class:`TransformerAdapter`."""
        return self.model.encoder

    def _convolve(self, speech):
        return self.cnn(speech).transpose(1, 2)

    def _input_modules(self):
        modules = [self.model.layer_norm, self.encoder.pos_conv]
        if self.model.post_extract_proj is not None:
            modules.append(self.model.post_extract_proj)
        if not self.encoder.layer_norm_first:
            modules.append(self.encoder.layer_norm)
        return modules

    def _project(self, features):
        x = self.model.layer_norm(features)
        if self.model.post_extract_proj is not None:
            x = self.model.post_extract_proj(x)
        return self.model.dropout_input(x)

    def _positions(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, D, T) with zeros in padded frames -> (B, D, T)."""
        return self.encoder.pos_conv(x)

    def _enter(self, x, mask):
        x = x + self._positions(x.transpose(1, 2), mask).transpose(1, 2)
        if not self.encoder.layer_norm_first:
            x = self.encoder.layer_norm(x)
        return F.dropout(x, p=self.encoder.dropout, training=self.encoder.training)

    def _block(self, block, x, padding, shared):
        x, _ = block(
            x.transpose(0, 1), self_attn_padding_mask=padding, need_weights=False
        )
        return x.transpose(0, 1), None


def _plain_blocks(model: Any) -> bool:
    """Tell whether the blocks are transformer blocks, and no conformers."""
    names = {type(block).__name__ for block in model.encoder.layers}
    return names == {"TransformerSentenceEncoderLayer"}


def _one_convolution(model: Any) -> bool:
    """Tell whether positions come from one convolution, not from a stack with norms."""
    return isinstance(model.encoder.pos_conv[0], torch.nn.Conv1d)


class HuBERTAdapter(FairseqAdapter):
    """HuBERT (arXiv 2106.07447) as S3PRL loads it; ContentVec too."""

    models = ("s3prl.upstream.hubert.hubert_model.HubertModel",)

    @classmethod
    def supports(cls, model):
        """See :class:`TransformerAdapter`."""
        return _plain_blocks(model) and _one_convolution(model)

    def pretraining(self, expert, cfg):
        """Return settings from the file: S3PRL does not keep its configuration."""
        return self._pretraining(expert.task_cfg.normalize, cfg)


class Wav2Vec2Adapter(FairseqAdapter):
    """wav2vec 2.0 (arXiv 2006.11477) and XLS-R as S3PRL loads them."""

    models = ("s3prl.upstream.wav2vec2.wav2vec2_model.Wav2Vec2Model",)

    @classmethod
    def supports(cls, model):
        """See :class:`TransformerAdapter`."""
        return (
            _plain_blocks(model)
            and _one_convolution(model)
            and model.input_quantizer is None
            and model.crop_seq_to_multiple == 1
        )


class Data2VecAdapter(FairseqAdapter):
    """data2vec audio (arXiv 2202.03555) as S3PRL loads it.

    Positions come from a stack of convolutions with norms in between, each of which
    would move something into padded frames: they are zeroed after each.
    """

    models = ("s3prl.upstream.data2vec.data2vec_model.Data2VecAudioModel",)

    @classmethod
    def supports(cls, model):
        """See :class:`TransformerAdapter`."""
        return _plain_blocks(model) and getattr(model, "crop_seq_to_multiple", 1) == 1

    def _positions(self, x, mask):
        if _one_convolution(self.model):
            return self.encoder.pos_conv(x)
        for convolution in self.encoder.pos_conv:
            x = convolution(x) * mask.unsqueeze(1)
        return x
