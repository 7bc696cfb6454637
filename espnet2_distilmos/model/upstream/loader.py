"""S3PRL loads every upstream; this module asks it without its slow hub."""

import contextlib
import importlib
import logging
from typing import Any, Optional, Tuple, Type

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter, UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import (
    ensure_checkpoint,
    fingerprint,
    quiet_s3prl,
)
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.downloads import not_here, s3prl_downloads
from espnet2_distilmos.model.upstream.espnet_hubert import (
    ESPnetHuBERTAdapter,
    check_espnet_weights,
)
from espnet2_distilmos.model.upstream.fairseq import (
    Data2VecAdapter,
    HuBERTAdapter,
    Wav2Vec2Adapter,
)
from espnet2_distilmos.model.upstream.hf_whisper.hubconf import hf_whisper_custom
from espnet2_distilmos.model.upstream.hugging_face import (
    HuggingFaceAdapter,
    HuggingFaceWavLMAdapter,
    hf_wavlm_custom,
    hugging_face_loading,
)
from espnet2_distilmos.model.upstream.safe_load import safe_loading
from espnet2_distilmos.model.upstream.transformer import TransformerAdapter
from espnet2_distilmos.model.upstream.wavlm import WavLMAdapter
from espnet2_distilmos.model.upstream.whisper import WhisperAdapter
from espnet2_distilmos.model.weights import name_some, require_finite
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.network import ConnectionRefused, refused_hosts

# One class a family; a model of none of them runs clip by clip.
FAMILIES: Tuple[Type[TransformerAdapter], ...] = (
    WavLMAdapter,
    HuBERTAdapter,
    Wav2Vec2Adapter,
    Data2VecAdapter,
    HuggingFaceAdapter,
    HuggingFaceWavLMAdapter,
    WhisperAdapter,
    ESPnetHuBERTAdapter,
)

# `s3prl.hub` imports every upstream there is (about 20 s, through ESPnet's HuBERT
# task). A name's first part nearly always tells its package, which alone is quick.
_PACKAGES = {
    "wavlm": "wavlm",
    "hubert": "hubert",
    "contentvec": "hubert",
    "wav2vec2": "wav2vec2",
    "xls": "wav2vec2",
    "data2vec": "data2vec",
    "espnet_hubert": "espnet_hubert",
    "hf_hubert": "hf_hubert",
    "hf_wav2vec2": "hf_wav2vec2",
    "fbank": "baseline",
    "mfcc": "baseline",
    "mel": "baseline",
    "linear": "baseline",
    "spectrogram": "baseline",
}


# Entries that S3PRL lacks, beside its own.
_MORE_ENTRIES = {
    "hf_wavlm_custom": hf_wavlm_custom,
    "hf_whisper_custom": hf_whisper_custom,
}
# Names that take their checkpoint from path_or_url.
_TAKE_A_PATH = ("_local", "_url", "_custom")


def find_entry(name: str, path_or_url: Optional[str] = None) -> Any:
    """Return S3PRL's function that builds the upstream `name`.

    Args:
        name: S3PRL's name, or one of those that S3PRL lacks.
        path_or_url: with a name that has weights of its own, the entry of the same
            family is found that takes a checkpoint.

    Raises:
        UserError: S3PRL knows no such name, or it cannot take a checkpoint.
    """
    if name in _MORE_ENTRIES:
        return _MORE_ENTRIES[name]
    for prefix in sorted(_PACKAGES, key=len, reverse=True):
        if name.startswith(prefix):
            package = _PACKAGES[prefix]
            module = importlib.import_module(f"s3prl.upstream.{package}.hubconf")
            # Underscored names and imports of the module are no entries.
            if name.startswith("_") or not callable(getattr(module, name, None)):
                continue
            if path_or_url is None or name.endswith(_TAKE_A_PATH):
                return getattr(module, name)
            # The entry itself would overlook the path and take its own URL.
            kind = "url" if "://" in path_or_url else "local"
            entry = getattr(module, f"{package}_{kind}", None)
            if entry is None or package == "baseline":
                raise UserError(f"{name} takes no path_or_url ({path_or_url})")
            return entry
    import s3prl.hub

    if name not in s3prl.hub.options():
        raise UserError(
            f"upstream {name!r} is unknown to S3PRL; names with ready weights are "
            "wavlm_base_plus, hubert_base, wav2vec2_base_960...; for a checkpoint of "
            "your own use wavlm_local, hubert_local... with path_or_url"
        )
    return getattr(s3prl.hub, name)


def build_upstream(conf: UpstreamConfig) -> UpstreamAdapter:
    """Load an upstream through S3PRL and wrap it in the adapter of its family.

    The family is chosen by what the model is, whatever its name. The adapter's
    `fingerprint` tells the pretrained weights (taken here, before anything is trained).

    Raises:
        UserError: unknown name, missing, unsafe, incomplete or unfit checkpoint,
            weights that are not finite, no network where one is needed, or a layer
            that does not exist.
    """
    ensure_checkpoint(conf)
    entry = find_entry(conf.upstream, conf.path_or_url)
    where = conf.path_or_url or conf.upstream
    logging.info(f"Loading upstream {conf.upstream} {conf.path_or_url or ''}")
    with contextlib.ExitStack() as stack:
        if conf.upstream.startswith("hf_"):
            loading = hugging_face_loading(conf.upstream, conf.path_or_url)
            stack.enter_context(loading)
        stack.enter_context(s3prl_downloads(conf.upstream))
        stack.enter_context(quiet_s3prl())
        files = stack.enter_context(safe_loading())
        try:
            expert = entry(**conf.entry_arguments())
        except UserError:
            raise
        except Exception as e:
            # Whatever a file of another family makes S3PRL's loaders do.
            logging.debug("where it happened", exc_info=True)
            if refused := refused_hosts():
                source = ", ".join(sorted(set(refused)))
                raise ConnectionRefused(not_here(conf.upstream, source)) from e
            if isinstance(e, TypeError) and conf.extra_conf:
                raise UserError(
                    f"{conf.upstream} does not take extra_conf {conf.extra_conf} ({e})"
                ) from e
            raise UserError(
                f"{where}: no checkpoint for {conf.upstream} "
                f"({type(e).__name__}: {' '.join(str(e).split())[:200]})"
            ) from e
    if entry.__module__.split(".")[:3] == ["s3prl", "upstream", "espnet_hubert"]:
        check_espnet_weights(expert.model, files.keys, where)
    elif files.missing:
        logging.warning(
            f"{where}: S3PRL leaves random what its files lack: "
            f"{name_some(sorted(files.missing))}"
        )
    # transformers keeps a checkpoint's half precision, with which nothing is exact.
    expert.float()
    require_finite(expert.state_dict(), where)
    identity = fingerprint(conf, expert)
    adapter: UpstreamAdapter
    for family in FAMILIES:
        if family.fits(expert):
            adapter = family(expert, conf, files.model_cfg)
            break
    else:
        adapter = ClipwiseAdapter(expert, conf)
    adapter.fingerprint = identity
    return adapter
