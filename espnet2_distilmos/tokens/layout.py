"""Names inside the folders of frames and of centroids; imports nothing heavy."""

from pathlib import Path

from espnet2_distilmos.utils.files import PathLike


def layer_file(folder: PathLike, layer: int) -> Path:
    """A layer's array, in a folder of frames or of centroids."""
    return Path(folder) / f"layer_{layer:02d}.npy"
