"""Upstream weights: random checkpoints made on the spot, and fingerprints."""

import contextlib
import hashlib
import importlib.metadata
import logging
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import torch

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path, sha256_file


@contextlib.contextmanager
def quiet_s3prl() -> Iterator[None]:
    """Keep S3PRL from logging whole configurations, and torch from warning of it."""
    logger = logging.getLogger("s3prl")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # S3PRL uses the old weight_norm, whose parameter names its files hold.
            warnings.filterwarnings("ignore", message=".*weight_norm.*deprecated.*")
            yield
    finally:
        logger.setLevel(level)


def write_random_wavlm(path: PathLike, seed: int, config: Dict[str, Any]) -> None:
    """Write a WavLM with random weights in S3PRL's format `{"cfg", "model"}`.

    Args:
        path: file to write (atomically).
        seed: torch seed; the global generator is left as it was.
        config: keys of S3PRL's `WavLMConfig` that differ from its defaults.
    """
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    cfg = WavLMConfig(config)
    with torch.random.fork_rng(devices=[]), quiet_s3prl():
        torch.manual_seed(seed)
        model = WavLM(cfg)
    # Into a file, not to a path, whose name would be part of what is written: jobs that
    # start at once all write the same bytes.
    with atomic_path(path) as tmp, open(tmp, "wb") as f:
        torch.save({"cfg": dict(cfg.__dict__), "model": model.state_dict()}, f)


def ensure_checkpoint(conf: UpstreamConfig) -> None:
    """Make the checkpoint of a `random_init` upstream; check that a local one is there.

    Raises:
        UserError: `path_or_url` is a path and no such file.
    """
    if conf.path_or_url is None or "://" in conf.path_or_url:
        return
    path = Path(conf.path_or_url)
    if not path.exists() and conf.random_init is not None:
        write_random_wavlm(path, **conf.random_init)
        logging.info(f"{path}: written with random weights, {conf.random_init}")
    # The entries of transformers also take names of repositories on the hub.
    if not path.exists() and not conf.upstream.startswith("hf_"):
        raise UserError(
            f"{path}: no such upstream checkpoint (path_or_url of {conf.upstream})"
        )


def checkpoint_sha256(path_or_url: Optional[str]) -> Optional[str]:
    """SHA-256 of a checkpoint on this machine: a file, or a folder of transformers.

    None where it is neither: a name, a URL, a repository on the hub.
    """
    path = Path(path_or_url) if path_or_url else None
    if path is not None and path.is_file():
        return sha256_file(path)
    if path is None or not path.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.suffix in (".json", ".safetensors", ".bin"):
            digest.update(f"{file.name} {sha256_file(file)}\n".encode())
    return digest.hexdigest()


def weights_sha256(module: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of a module's state, by name.

    The same for the same weights whatever file they came from.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(conf: UpstreamConfig, expert: torch.nn.Module) -> Dict[str, Any]:
    """What identifies the features of a pretrained upstream, as plain types.

    Args:
        conf: its configuration.
        expert: S3PRL's module with the pretrained weights, before any training.
    """
    return {
        "upstream": conf.upstream,
        "path_or_url": conf.path_or_url,
        "checkpoint_sha256": checkpoint_sha256(conf.path_or_url),
        "weights_sha256": weights_sha256(expert),
        "normalize": conf.normalize,
        "extra_conf": conf.extra_conf,
        "normalize_waveform": conf.normalize_waveform,
        "s3prl_version": importlib.metadata.version("espnet-s3prl"),
        "transformers_version": importlib.metadata.version("transformers"),
    }


# The keys on which tokens and training must agree; versions and paths may differ.
FINGERPRINT_KEYS = (
    "upstream",
    "weights_sha256",
    "normalize",
    "extra_conf",
    "normalize_waveform",
)
# For files from before a key was there.
FINGERPRINT_DEFAULTS = {"normalize_waveform": "checkpoint"}
