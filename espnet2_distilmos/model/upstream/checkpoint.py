"""Upstream weights: random checkpoints made on the spot, and fingerprints."""

import contextlib
import hashlib
import importlib.metadata
import logging
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator

import torch

from espnet2_distilmos.model.upstream.config import STATE_KEYS, UpstreamConfig
from espnet2_distilmos.model.upstream.releases import write_release
from espnet2_distilmos.model.upstream.safe_load import require_harmless
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, atomic_path
from espnet2_distilmos.utils.stamp import checkpoint_sha256


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

    Raises:
        UserError: a key that S3PRL does not have, values of which no WavLM can be made,
            or a text that S3PRL would run as code (the configuration of a downloaded
            model has these keys too).
    """
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    where = f"random_init of {path}"
    require_harmless(config, where)
    if not isinstance(config, dict) or type(seed) is not int:
        raise UserError(f"{where}: {{seed: NUMBER, config: MAPPING}} was expected")
    unknown = sorted(str(key) for key in config if key not in vars(WavLMConfig()))
    if unknown:
        raise UserError(f"{where}: WavLM has no {', '.join(unknown)}")
    try:
        with torch.random.fork_rng(devices=[]), quiet_s3prl():
            torch.manual_seed(seed)
            cfg = WavLMConfig(config)
            model = WavLM(cfg)
    except Exception as e:  # whatever wrong types and sizes make torch raise
        raise UserError(
            f"{where}: no WavLM can be made of it ({type(e).__name__}: "
            f"{' '.join(str(e).split())[:200]})"
        ) from e
    # Into a file, not to a path, whose name would be part of what is written: jobs that
    # start at once all write the same bytes.
    with atomic_path(path) as tmp, open(tmp, "wb") as f:
        torch.save({"cfg": dict(cfg.__dict__), "model": model.state_dict()}, f)


def ensure_checkpoint(conf: UpstreamConfig) -> None:
    """Make the checkpoint of a `random_init` upstream or of a `release`.

    Raises:
        UserError: `path_or_url` is a path and no such file, or a release cannot be had
            (:func:`~.releases.write_release`).
    """
    if conf.path_or_url is None or "://" in conf.path_or_url:
        return
    path = Path(conf.path_or_url)
    if not path.exists() and conf.random_init is not None:
        write_random_wavlm(path, **conf.random_init)
        logging.info(f"{path}: written with random weights, {conf.random_init}")
    if not path.exists() and conf.release is not None:
        write_release(conf.release, path)
    # The entries of transformers also take names of repositories on the hub, none of
    # which begins with a slash.
    on_hub = conf.upstream.startswith("hf_") and not path.is_absolute()
    if not path.exists() and not on_hub:
        raise UserError(
            f"{path}: no such upstream checkpoint (path_or_url of {conf.upstream})"
        )


def weights_sha256(module: torch.nn.Module) -> str:
    """Return SHA-256 over names, types, shapes and bytes of a module's state, by name.

    The same for the same weights whatever file they came from.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(conf: UpstreamConfig, expert: torch.nn.Module) -> Dict[str, Any]:
    """Return what identifies the features of a pretrained upstream, as plain types.

    Args:
        conf: its configuration.
        expert: S3PRL's module with the pretrained weights, before any training.
    """
    known = conf.to_dict()
    return {
        **{key: known[key] for key in STATE_KEYS},
        "path_or_url": conf.path_or_url,
        "checkpoint_sha256": checkpoint_sha256(conf.path_or_url),
        "weights_sha256": weights_sha256(expert),
        "s3prl_version": importlib.metadata.version("espnet-s3prl"),
        "transformers_version": importlib.metadata.version("transformers"),
    }
