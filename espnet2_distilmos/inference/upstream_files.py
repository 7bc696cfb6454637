"""A fine-tuned upstream as a file of S3PRL's own format, which S3PRL loads again."""

import re
from pathlib import Path
from typing import Any, Dict
from unittest import mock

import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import quiet_s3prl
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import find_entry
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path, sha256_file

# Packages of S3PRL whose checkpoints are `{"model_weight": state_dict, ...}`.
_CONVERTED = ("hubert", "wav2vec2", "data2vec")
_HUGGING_FACE = ("hf_hubert", "hf_wav2vec2")


def save_upstream(adapter: UpstreamAdapter, folder: PathLike) -> Dict[str, Any]:
    """Write `upstream.pt` (or the folder `upstream`) with the weights as they are now.

    Args:
        adapter: the upstream.
        folder: where to write.

    Returns:
        An `upstream_conf` whose `path_or_url` is relative to `folder`.

    Raises:
        UserError: a family of which no file can be made.
    """
    folder = Path(folder)
    conf = {**adapter.conf.to_dict(), "random_init": None}
    if not adapter.state_dict():  # filter banks
        return conf
    package = find_entry(adapter.conf.upstream).__module__.split(".")[2]
    model = adapter.model if hasattr(adapter, "model") else adapter.expert.model
    if package == "wavlm":
        content = {"cfg": dict(model.cfg.__dict__), "model": model.state_dict()}
    elif package in _CONVERTED:
        content = _with_weights(adapter.conf, model)
    elif package in _HUGGING_FACE:
        return {**conf, **_save_hugging_face(adapter.conf, model, folder)}
    else:
        raise UserError(
            f"{adapter.conf.upstream}: a model with this upstream cannot be made "
            f"self-contained yet; wavlm, {', '.join(_CONVERTED + _HUGGING_FACE)} can"
        )
    with atomic_path(folder / "upstream.pt") as tmp:
        torch.save(content, tmp)
    return {**conf, "upstream": f"{package}_local", "path_or_url": "upstream.pt"}


def upstream_sha256(path: PathLike) -> str:
    """SHA-256 that tells a written upstream: of the file, or of a folder's weights."""
    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return sha256_file(path)


def plain_names(states: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """Weight norm by its old names, which the files of S3PRL and of others have."""

    def old(name: str) -> str:
        name = re.sub(r"parametrizations\.weight\.original0$", "weight_g", name)
        return re.sub(r"parametrizations\.weight\.original1$", "weight_v", name)

    return {old(name): value for name, value in states.items()}


def _with_weights(conf: UpstreamConfig, model: torch.nn.Module) -> Dict[str, Any]:
    """The checkpoint that S3PRL loaded, with the weights of `model` in it."""
    path = _checkpoint_of(conf)
    content = torch.load(path, map_location="cpu", weights_only=True)
    weights = content["model_weight"]
    now = plain_names(model.state_dict())
    strange = [
        name
        for name, value in now.items()
        if name not in weights or weights[name].shape != value.shape
    ]
    if strange:
        raise UserError(f"{path}: {strange[0]} of {conf.upstream} is not in it")
    # What is left over (pretraining heads) takes no part, but S3PRL wants it there.
    return {**content, "model_weight": {**weights, **now}}


def _checkpoint_of(conf: UpstreamConfig) -> Path:
    """The checkpoint file of an upstream; S3PRL's cached one for a name of S3PRL's."""
    if conf.path_or_url is not None and Path(conf.path_or_url).is_file():
        return Path(conf.path_or_url)
    seen = []
    load = torch.load

    def watch(path, *args, **kwargs):
        seen.append(path)
        return load(path, *args, **kwargs)

    arguments = dict(conf.extra_conf)
    if conf.path_or_url is not None:
        arguments["ckpt"] = conf.path_or_url
    # S3PRL tells nobody where its download cache has the file.
    with mock.patch.object(torch, "load", watch), quiet_s3prl():
        find_entry(conf.upstream)(**arguments)
    return Path(seen[0])


def _save_hugging_face(
    conf: UpstreamConfig, model: torch.nn.Module, folder: Path
) -> Dict[str, Any]:
    from transformers import Wav2Vec2FeatureExtractor

    model.save_pretrained(folder / "upstream")
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(conf.path_or_url)
    extractor.save_pretrained(folder / "upstream")
    return {"path_or_url": "upstream"}
