"""Names inside the folders of frames and of centroids, and what frames depend on.

Imports nothing heavy.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.model.upstream.config import STATE_KEYS, UpstreamConfig
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.stamp import audio_request, checkpoint_sha256


def layer_file(folder: PathLike, layer: int, codebook: int = 1) -> Path:
    """Return a layer's array in a folder of frames, or of the n-th centroids."""
    more = "" if codebook == 1 else f"_codebook_{codebook}"
    return Path(folder) / f"layer_{layer:02d}{more}.npy"


def standard_file(folder: PathLike, layer: int) -> Path:
    """Return what a layer's states are standardised by, beside its centroids."""
    return Path(folder) / f"layer_{layer:02d}_standard.npy"


def layer_files(folder: PathLike, stamp: Dict[str, Any]) -> List[Path]:
    """Return the arrays of a folder's stamp; none for a stamp that is broken."""
    layers, codebooks = stamp.get("layers"), stamp.get("n_codebooks", 1)
    numbers = (
        [x for x in layers if isinstance(x, int)] if isinstance(layers, list) else []
    )
    standards = numbers if stamp.get("standardize_states") else []
    return [
        *(
            layer_file(folder, layer, codebook)
            for layer in numbers
            for codebook in range(
                1, 1 + (codebooks if isinstance(codebooks, int) else 1)
            )
        ),
        *(standard_file(folder, layer) for layer in standards),
    ]


def request_of(conf: UpstreamConfig) -> Dict[str, Any]:
    """Return what the hidden states depend on, without loading the upstream."""
    keys = (*STATE_KEYS, "path_or_url", "layers")
    request = {key: value for key, value in conf.to_dict().items() if key in keys}
    return {**request, "checkpoint_sha256": checkpoint_sha256(conf.path_or_url)}


def all_layers(conf: UpstreamConfig) -> UpstreamConfig:
    """Return the same upstream with all its layers chosen."""
    return replace(conf, layers=None)


def statistics_file(folder: PathLike) -> Path:
    """Return the name of the array in a set's folder of layer statistics."""
    return Path(folder) / "statistics.npy"


def statistics_request(conf: UpstreamConfig, data_dir: PathLike) -> Dict[str, Any]:
    """Return what the layer statistics of a set depend on.

    Raises:
        UserError: a file of the set is missing or cannot be read.
    """
    # The number is raised when the same upstream and clips give other statistics.
    return {
        "format": 1,
        "upstream": request_of(all_layers(conf)),
        **audio_request(data_dir),
    }
