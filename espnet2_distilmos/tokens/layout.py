"""Names inside the folders of frames and of centroids; imports nothing heavy."""

from pathlib import Path
from typing import Any, Dict, List

from espnet2_distilmos.utils.files import PathLike


def layer_file(folder: PathLike, layer: int) -> Path:
    """A layer's array, in a folder of frames or of centroids."""
    return Path(folder) / f"layer_{layer:02d}.npy"


def layer_files(folder: PathLike, stamp: Dict[str, Any]) -> List[Path]:
    """The arrays that a folder's stamp stands for (none for a stamp that is broken)."""
    layers = stamp.get("layers")
    return [
        layer_file(folder, layer)
        for layer in (layers if isinstance(layers, list) else [])
        if isinstance(layer, int)
    ]
