"""Names inside the folders of frames and of centroids; imports nothing heavy."""

from pathlib import Path

from espnet2_distilmos.utils.files import PathLike


def layer_file(folder: PathLike, layer: int, codebook: int = 1) -> Path:
    """A layer's array, in a folder of frames or of centroids (of its n-th codebook)."""
    more = "" if codebook == 1 else f"_codebook_{codebook}"
    return Path(folder) / f"layer_{layer:02d}{more}.npy"
