"""Packages that only an extra of the install brings, and what is said without them."""

import contextlib
import importlib.util
import sys
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.install import install_line

# Extras of the scorer with torch, and of those that have it in them.
_TORCH = ("torch", "export", "train", "mini")

# Module -> its package, and the extras of pyproject.toml that bring it, of which one is
# enough. A package that belongs to an extra of ours, or that ESPnet brings along.
PACKAGES: Dict[str, Tuple[str, Sequence[str]]] = {
    "torch": ("torch", _TORCH),
    "torchaudio": ("torchaudio", _TORCH),
    "s3prl": ("espnet-s3prl", _TORCH),
    "entmax": ("entmax", _TORCH),
    "huggingface_hub": ("huggingface-hub", _TORCH),
    "matplotlib": ("matplotlib", ("plot", *_TORCH)),
    "scipy": ("scipy", _TORCH),
    "av": ("av", _TORCH),
    "onnx": ("onnx", ["export"]),
    "espnet2": ("espnet", ["train"]),
    "typeguard": ("typeguard", ["train"]),
    "kaldiio": ("kaldiio", ["train"]),
    "sklearn": ("scikit-learn", ["train", "mini"]),
    "threadpoolctl": ("threadpoolctl", ["train", "mini"]),
    "tensorboard": ("tensorboard", ["train"]),
    "pesq": ("pesq", ["mini"]),
    "faiss": ("faiss-cpu", ["faiss"]),
}


def is_there(module: str) -> bool:
    """Tell whether a top-level module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # hidden by somebody, or half imported
        return False


def lacking(modules: Sequence[str]) -> List[str]:
    """Return those of `modules` that this install lacks, each once, in order."""
    return [name for name in dict.fromkeys(modules) if not is_there(name)]


def extras_for(modules: Sequence[str]) -> List[str]:
    """Return the fewest extras that bring all of these modules of :data:`PACKAGES`."""
    chosen: List[str] = []
    for extras in sorted((PACKAGES[name][1] for name in modules), key=len):
        if not set(extras) & set(chosen):
            chosen.append(extras[0])
    return sorted(chosen)


@contextlib.contextmanager
def told_what_to_install() -> Iterator[None]:
    """Say in a line what to install where an import in here lacks an extra's package.

    Commands say so at their end (:func:`espnet2_distilmos.utils.command.run`); this is
    for what is called from Python.

    Raises:
        UserError: a package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as e:
        missing = what_is_missing(e)
        if missing is None:
            raise
        raise UserError(missing) from e


def what_is_missing(
    error: ModuleNotFoundError, needs: Sequence[str] = ()
) -> Optional[str]:
    """Say in a line what to install, if `error` means that an extra is not there.

    Args:
        error: what an import raised.
        needs: other modules that the command needs, named at the same time.

    Returns:
        None if the module is none of :data:`PACKAGES`, or if it is there and lacks a
        part: that is a fault of ours or of that package.
    """
    module = (error.name or "").partition(".")[0]
    if module not in PACKAGES or is_there(module):
        return None
    modules = lacking([module, *(name for name in needs if name in PACKAGES)])
    names = ", ".join(PACKAGES[name][0] for name in modules)
    extras = extras_for(modules)
    line = install_line(",".join(extras))
    if "train" in extras and sys.version_info < (3, 12):
        line += " in Python 3.12 or 3.13, which ESPnet wants"
    return f"needs {names}, which this install has not: {line}"
