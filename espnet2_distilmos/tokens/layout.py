"""Names inside the folders of frames and of centroids; imports nothing heavy."""

from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.utils.files import PathLike


def layer_file(folder: PathLike, layer: int, codebook: int = 1) -> Path:
    """Return a layer's array in a folder of frames, or of the n-th centroids."""
    more = "" if codebook == 1 else f"_codebook_{codebook}"
    return Path(folder) / f"layer_{layer:02d}{more}.npy"


def layer_files(folder: PathLike, stamp: Dict[str, Any]) -> List[Path]:
    """Return the arrays of a folder's stamp; none for a stamp that is broken."""
    layers, codebooks = stamp.get("layers"), stamp.get("n_codebooks", 1)
    return [
        layer_file(folder, layer, codebook)
        for layer in (layers if isinstance(layers, list) else [])
        if isinstance(layer, int)
        for codebook in range(1, 1 + (codebooks if isinstance(codebooks, int) else 1))
    ]
