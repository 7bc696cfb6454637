"""A fine-tuned upstream as a file of S3PRL's own format, which S3PRL loads again."""

import contextlib
import re
import shutil
from pathlib import Path
from typing import Any, Dict, List
from unittest import mock

import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.checkpoint import quiet_s3prl
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.downloads import s3prl_downloads
from espnet2_distilmos.model.upstream.hugging_face import (
    extractor_class,
    quiet_transformers,
)
from espnet2_distilmos.model.upstream.loader import find_entry
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path
from espnet2_distilmos.utils.network import hub_offline

# Packages of S3PRL whose checkpoints are `{"model_weight": state_dict, ...}`.
_CONVERTED = ("hubert", "wav2vec2", "data2vec")
# Where ESPnet's HuBERT task has torchaudio's model.
_ESPNET = "encoder.hubert_pretrain_model."


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
    conf = {**adapter.conf.to_dict(), "random_init": None, "release": None}
    if not adapter.state_dict():  # filter banks
        return conf
    holder: Any = adapter if hasattr(adapter, "model") else adapter.expert
    model = holder.model
    if adapter.conf.upstream.startswith("hf_"):
        return {**conf, **_save_hugging_face(adapter.conf, model, folder)}
    package = find_entry(adapter.conf.upstream).__module__.split(".")[2]
    if package == "wavlm":
        content = {"cfg": dict(vars(model.cfg)), "model": model.state_dict()}
    elif package in _CONVERTED:
        content = _with_weights(adapter.conf, model)
    elif package == "espnet_hubert":
        return {**conf, **_save_espnet(adapter.conf, model, folder)}
    else:
        raise UserError(
            f"{adapter.conf.upstream}: a model with this upstream cannot be made "
            f"self-contained; those of wavlm, {', '.join(_CONVERTED)}, espnet_hubert "
            "and hf_* can"
        )
    with atomic_path(folder / "upstream.pt") as tmp:
        torch.save(content, tmp)
    return {**conf, "upstream": f"{package}_local", "path_or_url": "upstream.pt"}


def plain_names(states: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """Weight norm by its old names, which the files of S3PRL and of others have."""

    def old(name: str) -> str:
        name = re.sub(r"parametrizations\.weight\.original0$", "weight_g", name)
        return re.sub(r"parametrizations\.weight\.original1$", "weight_v", name)

    return {old(name): value for name, value in states.items()}


def _with_weights(conf: UpstreamConfig, model: torch.nn.Module) -> Dict[str, Any]:
    """Return the checkpoint that S3PRL loaded, with the weights of `model` in it."""
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
    """Return the checkpoint of an upstream; for S3PRL's names the cached one."""
    if conf.path_or_url is not None and Path(conf.path_or_url).is_file():
        return Path(conf.path_or_url)
    seen: List[Any] = []
    load = torch.load

    def watch(path, *args, **kwargs):
        seen.append(path)
        return load(path, *args, **kwargs)

    # S3PRL tells nobody where its download cache has the file.
    with (
        mock.patch.object(torch, "load", watch),
        s3prl_downloads(conf.upstream),
        quiet_s3prl(),
    ):
        find_entry(conf.upstream, conf.path_or_url)(**conf.entry_arguments())
    return Path(seen[0])


def _save_hugging_face(
    conf: UpstreamConfig, model: Any, folder: Path
) -> Dict[str, Any]:
    # Whisper's encoder comes out of files of whole models, to whose names transformers
    # would go back.
    names = {"save_original_format": False} if "whisper" in conf.upstream else {}
    with quiet_transformers():
        model.save_pretrained(folder / "upstream", **names)
    name = str(conf.path_or_url)  # checked when it was loaded
    # What was loaded a moment ago is in the cache: nothing is asked of the Hub again.
    with hub_offline() if not Path(name).is_dir() else contextlib.nullcontext():
        extractor = extractor_class(conf.upstream).from_pretrained(name)
    extractor.save_pretrained(folder / "upstream")
    return {"path_or_url": "upstream"}


def _save_espnet(
    conf: UpstreamConfig, model: torch.nn.Module, folder: Path
) -> Dict[str, Any]:
    """Write ESPnet's HuBERT: S3PRL wants its config.yaml beside the checkpoint."""
    path = _checkpoint_of(conf)
    weights = torch.load(path, map_location="cpu", weights_only=True)
    now = {_ESPNET + name: value for name, value in model.state_dict().items()}
    plain = plain_names(now)
    weights = {k: v for k, v in plain_names(weights).items() if k not in plain}
    (folder / "upstream").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path.parent / "config.yaml", folder / "upstream" / "config.yaml")
    torch.save({**weights, **now}, folder / "upstream" / "model.pth")
    return {"upstream": "espnet_hubert_local", "path_or_url": "upstream/model.pth"}
