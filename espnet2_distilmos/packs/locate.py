"""Where a model is: folder, zip, checkpoint, Hub repository or ESPnet model zoo tag."""

import re
import tarfile
import zipfile
from pathlib import Path
from typing import List, Optional, Tuple

from espnet2_distilmos.packs.embedded import DEFAULT, embedded_model, embedded_name
from espnet2_distilmos.packs.folder import (
    OTHER_WAYS,
    Model,
    model_in,
    require_inside,
    unpack,
)
from espnet2_distilmos.packs.onnx_scan import SUFFIX, is_onnx
from espnet2_distilmos.packs.released import (
    AUTHORS,
    BACKBONE,
    BACKBONES,
    REPOSITORY,
    released_model,
)
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.network import brief, hub_or_cache

_OF_FILES = (".zip", ".pth", SUFFIX)  # no tag or repository ends with them
_HUB = "https://huggingface.co/"
_OF_AUTHORS = {AUTHORS: BACKBONE, **{f"{AUTHORS}/{name}": name for name in BACKBONES}}


def is_default(tag: Optional[PathLike]) -> bool:
    """Tell whether this names the model that the package brings."""
    return tag is None or tag == DEFAULT


def model_name(tag: Optional[PathLike]) -> str:
    """Return what outputs call a model: as it was given, or by its full name."""
    if is_default(tag):
        return embedded_name()
    if tag in _OF_AUTHORS:
        return f"{REPOSITORY}/{_OF_AUTHORS[str(tag)]}"
    return str(tag)


def locate_model(tag: Optional[str] = None) -> Model:
    """Find a model's files; download or unpack them if need be.

    An exported model (`distilmos export`) is one file, which stands for both.

    Args:
        tag: folder, zip, checkpoint, exported model, Hub repository (`owner/name` or
            its address) or ESPnet model zoo tag; None or `default` = the model that the
            package brings; `authors` or `authors/wavlm`, `authors/w2v2` = the weights
            that the method's authors released. A folder of such a name is `./default`.

    Raises:
        UserError: no such model, or it cannot be had.
    """
    if is_default(tag):
        return embedded_model()
    if tag in _OF_AUTHORS:
        return released_model(_OF_AUTHORS[str(tag)])
    path = Path(str(tag))
    if path.is_dir():
        return model_in(path)
    if path.is_file():
        if path.suffix.lower() == ".zip":
            if not zipfile.is_zipfile(path):
                raise UserError(f"{path}: not a zip, or cut off; get it again")
            return model_in(unpack(path))
        if is_onnx(path):
            return path, path
        if tarfile.is_tarfile(path) and path.name != "model.pth.tar":
            raise UserError(
                f"{path}: a tar archive; unpack it and give the folder of the model"
            )
        if not (path.parent / "config.yaml").is_file():
            raise UserError(
                f"{tag}: no model, there is no config.yaml beside it; training and "
                "packing write both"
            )
        return path.parent / "config.yaml", path
    if path.exists():
        raise UserError(f"{tag}: neither a file nor a folder; a model is needed here")
    name, inner = _hub_name(str(tag))
    if name.lower() == REPOSITORY.lower():
        return released_model(inner or BACKBONE)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or path.suffix in _OF_FILES:
        raise UserError(f"{tag}: no such model file, folder or tag")
    return model_in(_download(name) / inner)


def model_files(tag: Optional[PathLike] = None) -> List[Path]:
    """Return files of a model that no output may replace.

    Those are the file that was named (a zip, too), config and checkpoint, and what says
    which these are. Names of models that have to be downloaded give none.

    Args:
        tag: see :func:`locate_model`.

    Raises:
        UserError: see :func:`locate_model`.
    """
    if is_default(tag):
        return list(embedded_model())
    path = Path(str(tag))
    if tag in _OF_AUTHORS or not path.exists():
        return []
    model = locate_model(str(tag))
    return [path, *model, *(file.parent / "meta.yaml" for file in model[:1])]


def model_of(train_config: Optional[PathLike], model_file: PathLike) -> Model:
    """Return the model that two options name.

    Args:
        train_config: `config.yaml`; None = beside `model_file`. An exported model has
            none.
        model_file: checkpoint, or exported model.
    """
    config = train_config or Path(model_file).parent / "config.yaml"
    return Path(model_file if is_onnx(model_file) else config), Path(model_file)


def _hub_name(tag: str) -> Tuple[str, str]:
    """Return repository and folder in it (or nothing), of a name or an address.

    Only the authors' repository has its folders named without an address: a path
    that was mistyped must not be asked of the Hub.
    """
    name = re.sub(r"/(tree|blob)/main(?=/|$)", "", tag.removeprefix(_HUB)).rstrip("/")
    owner, _, rest = name.partition("/")
    repository, _, inner = rest.partition("/")
    full = f"{owner}/{repository}"
    if inner and (tag.startswith(_HUB) or full.lower() == REPOSITORY.lower()):
        require_inside(inner, tag)
        return full, inner
    return name, ""


def _download(name: str) -> Path:
    """Return the folder of a Hub repository's or of a model zoo's model."""
    problem = f"{name}: no such file or folder"
    if "/" in name:
        from huggingface_hub import snapshot_download

        with hub_or_cache(name) as silent:
            try:
                wanted = ["*.yaml", "*.pth", "*.pt", "upstream/*"]
                return Path(snapshot_download(name, allow_patterns=wanted))
            except Exception as e:  # offline, no such repository, no access...
                problem = (
                    f"{name}: not on this machine, and the Hub gave none "
                    f"({silent or brief(e)})"
                )
        if silent is not None:
            # The model zoo would ask the Hub once more.
            raise UserError(f"{problem}; {OTHER_WAYS}")
    try:
        from espnet_model_zoo.downloader import ModelDownloader

        files = ModelDownloader().download_and_unpack(name)
        return Path(files["train_config"]).parent
    except ImportError:
        pass
    except Exception as e:
        problem += f", nor the ESPnet model zoo ({brief(e)})"
    raise UserError(f"{problem}; {OTHER_WAYS}")
