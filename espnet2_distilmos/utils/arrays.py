"""Arrays in files: finite floats, from which nothing can run."""

import numpy as np

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike


def read_array(path: PathLike, ndim: int = 2, mapped: bool = False) -> np.ndarray:
    """Read a `.npy` of finite floats; nothing in it can run code.

    Args:
        path: the file.
        ndim: dimensions that it must have.
        mapped: leave it on the disk, to be read where it is used.

    Raises:
        UserError: no such file, cut off, or something else.
    """
    try:
        array = np.load(path, "r" if mapped else None, allow_pickle=False)
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror or e})") from e
    except Exception as e:  # a broken header makes numpy raise a dozen types
        raise UserError(
            f"{path}: not an array that this package wrote ({type(e).__name__}); "
            "delete its folder and run its stage again"
        ) from e
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != ndim
        or array.dtype.kind != "f"
        or not np.isfinite(array).all()
    ):
        raise UserError(
            f"{path}: {ndim} dimensions of finite floats were expected; delete its "
            "folder and run its stage again"
        )
    return array
