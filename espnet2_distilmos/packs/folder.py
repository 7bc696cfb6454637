"""A model's folder: which files are the model, zips unpacked into it, the cache."""

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Iterator, List, Optional, Tuple

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml, sha256_file
from espnet2_distilmos.utils.folders import settle

# config.yaml and checkpoint.
Model = Tuple[Path, Path]

# Checkpoints that a folder's model is looked for in, first come first served.
_CHECKPOINTS = ("model.pth", "valid.srcc.best.pth", "valid.mos_loss.ave.pth")
OTHER_WAYS = (
    "a packed model works without a network: --model FILE.zip, or a folder with "
    "config.yaml and model.pth; so does the model of this package: --model default"
)


def cache_dir() -> Path:
    """Return the folder of unpacked models: $DISTILMOS_CACHE, or the user's cache."""
    if "DISTILMOS_CACHE" in os.environ:
        return Path(os.environ["DISTILMOS_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "espnet2_distilmos"


def model_in(folder: PathLike) -> Model:
    """Return the model of a folder: as its meta.yaml says, or by the usual names.

    Raises:
        UserError: none there, or meta.yaml points out of the folder.
    """
    folder = Path(folder)
    if (folder / "meta.yaml").exists():
        meta = read_yaml(folder / "meta.yaml")
        try:
            names = meta["yaml_files"]["train_config"], meta["files"]["model_file"]
        except (KeyError, TypeError) as e:
            raise UserError(
                f"{folder / 'meta.yaml'}: not the model of a MOS predictor of this "
                "package (train_config, model_file)"
            ) from e
        for name in names:
            if not isinstance(name, str):
                raise UserError(f"{folder / 'meta.yaml'}: {name!r} is no file's name")
            require_inside(name, folder / "meta.yaml")
        model = folder / names[0], folder / names[1]
    else:
        found = [folder / c for c in _CHECKPOINTS if (folder / c).exists()]
        if not found or not (folder / "config.yaml").exists():
            hint = f"config.yaml and {' or '.join(_CHECKPOINTS)} are expected"
            if (folder / "model.pth.tar").exists():
                hint = (
                    "this is a released checkpoint: distilmos import-official "
                    f"--model_dir {folder} --output_dir OUT"
                )
            elif (inner := _only_model_below(folder)) is not None:
                hint = f"there is one further down: {inner}"
            raise UserError(f"{folder}: no model here; {hint}")
        model = folder / "config.yaml", found[0]
    for file in model:
        # Not Path.is_file(), which raises where a name is too long for the system.
        if not os.path.isfile(file):
            raise UserError(f"{file}: missing, though {folder} should hold a model")
    return model


def require_inside(name: str, where: PathLike) -> None:
    """Refuse a name that would lead out of its folder.

    Raises:
        UserError: an absolute name, or one with `..`.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]:
        raise UserError(f"{where}: refused, {name!r} leads out of the folder")


def unpack(archive: PathLike) -> Path:
    """Unpack a packed model into the cache, once; returns its folder.

    Raises:
        UserError: a broken archive, or one with names that lead elsewhere or links.
    """
    archive = Path(archive)
    folder = cache_dir() / "unpacked" / sha256_file(archive)[:16]
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    tmp = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking."))
    try:
        with zipfile.ZipFile(archive) as z:
            size = sum(info.file_size for info in z.infolist())
            if size > shutil.disk_usage(tmp).free:
                raise UserError(
                    f"{archive}: unpacks to {size / 1e9:.3g} GB, more than "
                    f"{tmp.parent} has room for; point DISTILMOS_CACHE elsewhere"
                )
            for info in z.infolist():
                require_inside(info.filename, archive)
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise UserError(f"{archive}: refused, {info.filename!r} is a link")
                if info.flag_bits & 1:
                    raise UserError(
                        f"{archive}: needs a password; unpack it and give the folder"
                    )
                # As some tools of Windows write them, though a zip has slashes.
                info.filename = info.filename.replace("\\", "/")
                z.extract(info, tmp)
        # A file manager packs the folder, not what is in it.
        top = _only_model_below(tmp) or tmp
        try:
            model_in(top)  # or the cache would keep what is no model
        except UserError as e:
            raise UserError(str(e).replace(str(tmp), str(archive))) from e
        settle(top, folder)
    except OSError as e:
        raise UserError(
            f"{archive}: cannot be unpacked in {folder.parent} ({e.strerror}); is "
            "there space, and does no file of it stand where another has a folder?"
        ) from e
    except UserError:
        raise
    except NotImplementedError as e:
        raise UserError(
            f"{archive}: packed in a way that Python cannot read ({e}); unpack it and "
            "give the folder"
        ) from e
    except Exception as e:  # zipfile raises a dozen types for what is broken
        raise UserError(
            f"{archive}: a broken zip ({type(e).__name__}: {e}); get it again"
        ) from e
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    return folder


def _only_model_below(folder: Path) -> Optional[Path]:
    """Return the one model's folder below `folder`; None = there is none, or several.

    What macOS and others put beside it (`__MACOSX`, hidden files) does not count. Not
    asked where the folder itself is a model.
    """
    found = [
        Path(root)
        for root, folders, files in _walk(folder)
        if "meta.yaml" in files
        or ("config.yaml" in files and any(c in files for c in _CHECKPOINTS))
    ]
    # A model of ESPnet's layout may have its files in folders below its meta.yaml.
    tops = [f for f in found if not any(other in f.parents for other in found)]
    return tops[0] if len(tops) == 1 and tops[0] != folder else None


def _walk(folder: Path) -> Iterator[Tuple[str, List[str], List[str]]]:
    """Walk three levels of folders, without hidden ones: nobody packs deeper."""
    for root, folders, files in os.walk(folder):
        deep = len(Path(root).relative_to(folder).parts) >= 3
        folders[:] = [
            name
            for name in sorted(folders)
            if not deep and name != "__MACOSX" and not name.startswith(".")
        ]
        yield root, folders, files
