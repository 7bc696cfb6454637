"""Models of Hugging Face's transformers: files of all, wav2vec 2.0, HuBERT, WavLM."""

import contextlib
import warnings
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Tuple
from unittest import mock

import torch

from espnet2_distilmos.model.upstream.downloads import not_here
from espnet2_distilmos.model.upstream.family import Pretraining
from espnet2_distilmos.model.upstream.transformer import TransformerAdapter
from espnet2_distilmos.model.weights import name_some
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.network import (
    ConnectionRefused,
    hub_or_cache,
    refused_hosts,
)

# The feature extractor of transformers adds this to the variance.
_HF_EPS = 1e-7
_MODULES = "transformers.models"
# S3PRL's entry for every `model_type` that config.json may tell.
ENTRIES = {
    "wav2vec2": "hf_wav2vec2_custom",
    "hubert": "hf_hubert_custom",
    "wavlm": "hf_wavlm_custom",
    "whisper": "hf_whisper_custom",
}
# What the front end of every Whisper has; files of others are damaged, or a trap.
_FRONT_END = {"n_fft": 400, "hop_length": 160, "dither": 0.0}
# What a file may lack: it takes the place of masked frames in pretraining alone.
_UNUSED = "masked_spec_embed"


@contextlib.contextmanager
def hugging_face_loading(entry: str, path: Optional[str]) -> Iterator[None]:
    """Load models of transformers whole or not at all, and without waiting.

    A folder is loaded without the network. A name is asked of the Hub once; where it
    does not answer, or must not be asked, the cache has to hold the model.

    Raises:
        UserError: as :func:`check_hugging_face`, or weights are missing.
    """
    name = None if path is None or Path(path).is_dir() else path
    with hub_or_cache(name) if name else contextlib.nullcontext() as silent:
        check_hugging_face(entry, path, silent)
        with whole_weights(), quiet_transformers():
            yield


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from drawing bars, and from listing the weights not needed.

    Those are heads and decoders; what is missing is an error here.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def whole_weights() -> Iterator[None]:
    """Make `from_pretrained` refuse files that lack weights.

    transformers fills them with random ones and tells it in its log alone.

    Raises:
        UserError: names some of the missing weights and counts them.
    """
    from transformers import PreTrainedModel

    original = vars(PreTrainedModel)["from_pretrained"].__func__

    def from_pretrained(cls: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["output_loading_info"] = True
        model, info = original(cls, name, *args, **kwargs)
        missing = sorted(info["missing_keys"])
        if _UNUSED in missing:
            missing.remove(_UNUSED)
            # Or it would be another at each start, and with it the fingerprint.
            torch.nn.init.zeros_(getattr(model.base_model, _UNUSED))
        if missing:
            raise UserError(
                f"{name}: weights are missing from its files: {name_some(missing)}; "
                "transformers would put random ones in their place: get the model again"
            )
        return model

    with mock.patch.object(
        PreTrainedModel, "from_pretrained", classmethod(from_pretrained)
    ):
        yield


def check_hugging_face(
    entry: str, path: Optional[str], silent: Optional[str] = None
) -> None:
    """Refuse a folder that `entry` would load wrongly, before it is loaded.

    Args:
        entry: S3PRL's name.
        path: folder, or name of a repository on the Hub.
        silent: why the Hub cannot be asked; None = it can.

    Raises:
        UserError: no `path_or_url`; a model of another type, whose weights transformers
            would partly replace by random ones; or a folder that does not say whether
            the waveform is to be normalised.
    """
    if path is None:
        raise UserError(
            f"{entry} needs path_or_url: a folder that save_pretrained wrote, or the "
            "name of a repository on the hub"
        )
    folder = Path(path)
    if folder.is_dir() and not (folder / "preprocessor_config.json").is_file():
        raise UserError(
            f"{path}: no preprocessor_config.json, which says how the waveform is "
            "prepared (do_normalize...); take it from where the model comes from"
        )
    from transformers import FeatureExtractionMixin, PretrainedConfig

    try:
        config = PretrainedConfig.get_config_dict(path)[0]
        front_end = FeatureExtractionMixin.get_feature_extractor_dict(path)[0]
    except (OSError, ValueError) as e:
        if silent is not None and refused_hosts() is not None:
            raise ConnectionRefused(not_here(entry, path)) from e
        if silent is not None:
            raise UserError(
                f"{path}: no such folder, not in the cache of the Hub's client, and "
                f"the Hub does not answer ({silent}); run this where there is a "
                "network, or name a folder that save_pretrained wrote"
            ) from e
        raise UserError(f"{path}: not a model of transformers ({e})") from e
    kind = str(config.get("model_type"))
    rate = front_end.get("sampling_rate", SAMPLE_RATE)
    if ENTRIES.get(kind) != entry:
        raise UserError(
            f"{path}: a {kind} model; use `upstream: {ENTRIES[kind]}`"
            if kind in ENTRIES
            else f"{path}: {kind} models are not supported; {', '.join(ENTRIES)} are"
        )
    if rate != SAMPLE_RATE:
        raise UserError(f"{path}: a model for {rate} Hz; {SAMPLE_RATE} Hz is needed")
    if kind == "whisper":
        _check_front_end(path, front_end, config.get("num_mel_bins", 80))


def _check_front_end(path: str, front_end: Mapping[str, Any], bands: Any) -> None:
    """Refuse a Whisper's `preprocessor_config.json` that is not one of a Whisper."""
    expected = {**_FRONT_END, "feature_size": bands}
    for key, value in expected.items():
        if front_end.get(key, value) != value:
            raise UserError(
                f"{path}: preprocessor_config.json says {key} {front_end[key]!r}; "
                f"{value} belongs to this Whisper"
            )


def extractor_class(entry: str) -> Any:
    """Return transformers' class for `preprocessor_config.json`."""
    import transformers

    if entry == "hf_whisper_custom":
        return transformers.WhisperFeatureExtractor
    return transformers.Wav2Vec2FeatureExtractor


def hf_wavlm_custom(ckpt: str) -> torch.nn.Module:
    """Load WavLM as S3PRL, which has no entry for it, loads others.

    Args:
        ckpt: folder that `save_pretrained` wrote, or name of a repository on the hub.
    """
    from transformers import Wav2Vec2FeatureExtractor, WavLMModel

    expert: Any = torch.nn.Module()
    expert.extracter = Wav2Vec2FeatureExtractor.from_pretrained(ckpt)
    expert.model = WavLMModel.from_pretrained(ckpt)
    return expert


class HuggingFaceAdapter(TransformerAdapter):
    """wav2vec 2.0 and HuBERT of transformers, as S3PRL loads them.

    A checkpoint does not tell the `feature_grad_mult` of its pretraining: it is 1.
    """

    models: Tuple[str, ...] = (
        f"{_MODULES}.wav2vec2.modeling_wav2vec2.Wav2Vec2Model",
        f"{_MODULES}.hubert.modeling_hubert.HubertModel",
    )

    @classmethod
    def supports(cls, model):
        """Refuse a BatchNorm before the positional convolution: it sees padding."""
        return getattr(model.encoder.pos_conv_embed, "batch_norm", None) is None

    def pretraining(self, expert, cfg):
        """See :class:`TransformerAdapter`."""
        normalize = expert.extracter.do_normalize
        return Pretraining(
            _HF_EPS if normalize else None, 1.0, expert.model.config.layerdrop
        )

    @property
    def cnn(self) -> Any:
        """See :class:`TransformerAdapter`."""
        return self.model.feature_extractor

    @property
    def encoder(self) -> Any:
        """See :class:`TransformerAdapter`."""
        return self.model.encoder

    @property
    def _norm_enters(self) -> bool:
        # "Stable" models are pre-norm: their encoder's norm comes after the blocks.
        return not self.model.config.do_stable_layer_norm

    def _convolve(self, speech):
        # Its own forward would ask for gradients of the waveform.
        x = speech.unsqueeze(1)
        for layer in self.cnn.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)

    def _input_modules(self):
        modules = [self.model.feature_projection, self.encoder.pos_conv_embed]
        return modules + [self.encoder.layer_norm] * self._norm_enters

    def _project(self, features):
        return _first(self.model.feature_projection(features))

    def _enter(self, x, mask):
        x = x + self.encoder.pos_conv_embed(x)
        if self._norm_enters:
            x = self.encoder.layer_norm(x)
        return self.encoder.dropout(x)

    def _padding(self, x, mask):
        """Return (B, 1, 1, T) floats to add to the scores (B, heads, T, T)."""
        return super()._padding(x, mask)[:, None, None]

    def _block(self, block, x, padding, shared):
        return _first(block(x, attention_mask=padding)), None


class HuggingFaceWavLMAdapter(HuggingFaceAdapter):
    """WavLM of transformers."""

    models = (f"{_MODULES}.wavlm.modeling_wavlm.WavLMModel",)
    # Block 1 makes the position bias that all others share.
    first_block_runs = True

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # Its attention hands torch a bool mask and a float bias; torch adds them.
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")

    def _padding(self, x, mask):
        """Return (B, T), 1 where a frame is true."""
        return mask.long()

    def _block(self, block, x, padding, shared):
        output = block(x, attention_mask=padding, position_bias=shared)
        return output[0], output[1]


def _first(output: Any) -> torch.Tensor:
    # transformers 4 wraps in tuples what transformers 5 does not.
    return output[0] if isinstance(output, tuple) else output
