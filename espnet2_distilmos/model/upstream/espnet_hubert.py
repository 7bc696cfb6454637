"""ESPnet's HuBERT, which is torchaudio's."""

from typing import Any, Iterable

import torch

from espnet2_distilmos.model.upstream.family import Pretraining
from espnet2_distilmos.model.upstream.transformer import TransformerAdapter
from espnet2_distilmos.model.weights import name_some
from espnet2_distilmos.utils.errors import UserError


class ESPnetHuBERTAdapter(TransformerAdapter):
    """HuBERT of ESPnet's HubertTask as S3PRL loads it; WavLabLM too."""

    models = ("torchaudio.models.wav2vec2.model.HuBERTPretrainModel",)

    @classmethod
    def supports(cls, model):
        """See :class:`TransformerAdapter`."""
        blocks = model.wav2vec2.encoder.transformer.layers
        return {type(b.attention).__name__ for b in blocks} == {"SelfAttention"}

    def pretraining(self, expert, cfg):
        """Return settings; S3PRL normalises no waveform, whatever config.yaml says."""
        mult = expert.model.feature_grad_mult
        return Pretraining(None, 1.0 if mult is None else mult, self.encoder.layer_drop)

    @property
    def cnn(self) -> torch.nn.Module:
        """See :class:`TransformerAdapter`."""
        return self.model.wav2vec2.feature_extractor

    @property
    def encoder(self) -> Any:
        """See :class:`TransformerAdapter`."""
        return self.model.wav2vec2.encoder.transformer

    def _convolve(self, speech):
        return self.cnn(speech, None)[0]

    def _input_modules(self):
        projection = self.model.wav2vec2.encoder.feature_projection
        modules = [projection, self.encoder.pos_conv_embed]
        # torchaudio's name: the norm comes first, that is, before the blocks.
        return modules + [self.encoder.layer_norm] * self.encoder.layer_norm_first

    def _project(self, features):
        return self.model.wav2vec2.encoder.feature_projection(features)

    def _enter(self, x, mask):
        return self.encoder._preprocess(x)

    def _padding(self, x, mask):
        """Return (B, 1, T, T) floats to add to the scores, as torchaudio wants them."""
        size = x.size(1)
        return super()._padding(x, mask)[:, None, None].expand(-1, 1, size, size)

    def _block(self, block, x, padding, shared):
        return block(x, attention_mask=padding)[0], None


def check_espnet_weights(model: torch.nn.Module, keys: Iterable[str], path: str):
    """Refuse a checkpoint that lacks weights, which ESPnet would leave random.

    Args:
        model: torchaudio's model as loaded.
        keys: names of the weights in the file.
        path: the file, for the error.
    """
    prefix = "encoder.hubert_pretrain_model."
    found = {_without_parametrization(key) for key in keys}
    missing = [
        key
        for key in model.state_dict()
        if _without_parametrization(prefix + key) not in found
    ]
    if missing:
        raise UserError(
            f"{path}: no {name_some([prefix + key for key in missing])}; not the whole "
            "checkpoint of an ESPnet HuBERT with the config.yaml beside it"
        )


def _without_parametrization(key: str) -> str:
    """Return old and new names of weight_norm's parameters as one."""
    key = key.replace("parametrizations.weight.original0", "weight_g")
    return key.replace("parametrizations.weight.original1", "weight_v")
