"""S3PRL loads every upstream; this module asks it without its slow hub."""

import importlib
import logging
from typing import Any

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter, UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import (
    ensure_checkpoint,
    fingerprint,
    quiet_s3prl,
)
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.wavlm import WavLMAdapter
from espnet2_distilmos.utils.errors import UserError

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


def find_entry(name: str) -> Any:
    """S3PRL's function that builds the upstream `name`.

    Raises:
        UserError: S3PRL knows no such name.
    """
    for prefix in sorted(_PACKAGES, key=len, reverse=True):
        if name.startswith(prefix):
            module = importlib.import_module(
                f"s3prl.upstream.{_PACKAGES[prefix]}.hubconf"
            )
            # Underscored names and imports of the module are no entries.
            if not name.startswith("_") and callable(getattr(module, name, None)):
                return getattr(module, name)
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

    The adapter's `fingerprint` tells the pretrained weights (taken here, before
    anything is trained).

    Raises:
        UserError: unknown name, missing checkpoint, or a layer that does not exist.
    """
    ensure_checkpoint(conf)
    entry = find_entry(conf.upstream)
    arguments = dict(conf.extra_conf)
    if conf.path_or_url is not None:
        arguments["ckpt"] = conf.path_or_url
    logging.info(f"Loading upstream {conf.upstream} {conf.path_or_url or ''}")
    with quiet_s3prl():
        expert = entry(**arguments)
    identity = fingerprint(conf, expert)
    adapter_class = WavLMAdapter if WavLMAdapter.fits(expert) else ClipwiseAdapter
    adapter = adapter_class(expert, conf)
    if conf.normalize_waveform != "checkpoint" and not hasattr(
        adapter, "normalize_waveform"
    ):
        raise UserError(
            f"normalize_waveform: {conf.normalize_waveform} is not supported for "
            f"{conf.upstream}; leave it at `checkpoint`"
        )
    adapter.fingerprint = identity
    return adapter
