"""Packed models on their way to others and back: upload, links."""

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import List, Optional

from espnet2_distilmos.packs.card import model_card
from espnet2_distilmos.packs.folder import require_inside, unpack
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, make_folder, read_yaml
from espnet2_distilmos.utils.network import brief


def upload_model(
    archive: PathLike, repo: str, private: bool = False, token: Optional[str] = None
) -> str:
    """Upload a packed zip to the Hugging Face Hub; returns the address.

    Args:
        archive: from :func:`espnet2_distilmos.packs.pack.pack_model`.
        repo: `owner/name`; made if it is not there.
        private: whether a new one is private.
        token: of the Hub; None = as its client finds one.

    Raises:
        UserError: no such zip, or the Hub refused.
    """
    from huggingface_hub import HfApi

    if not Path(archive).is_file():
        raise UserError(f"{archive}: no such file; stage 7 makes it")
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp) / "model"
        shutil.copytree(unpack(archive), folder)
        card = model_card(folder, repo)
        (folder / "README.md").write_text(card, encoding="utf-8")
        api = HfApi(token=token)
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repo, folder_path=str(folder), commit_message="Upload model"
            )
        except Exception as e:  # no login, no network, no such owner...
            raise UserError(
                f"{repo}: the upload failed ({brief(e)}); is there a network, and are "
                "you logged in (`hf auth login`)?"
            ) from e
    return f"https://huggingface.co/{repo}"


def link_model(tag: str, output_dir: PathLike) -> None:
    """Link a model's files into an experiment's folder, as stage 6 wants them.

    Files are linked, one by one, never a folder: what else lies in a packed model's
    (results, say) stays there, and nothing that is written here goes into it.

    Args:
        tag: see :func:`espnet2_distilmos.packs.locate.locate_model`.
        output_dir: gets config.yaml, model.pth and, if packed, the upstream.

    Raises:
        UserError: no such model, or something is in the way of it.
    """
    output_dir = Path(output_dir)
    train_config, model_file = locate_model(tag)
    links = {"config.yaml": train_config, "model.pth": model_file}
    path = (read_yaml(train_config).get("upstream_conf") or {}).get("path_or_url")
    for name in _upstream_files(train_config.parent, path):
        links.setdefault(name, train_config.parent / name)
    for name, target in links.items():
        _link(output_dir, PurePosixPath(name), target)


def _upstream_files(folder: Path, path: object) -> List[str]:
    """Return names below `folder` of what an upstream is loaded from, or [].

    Raises:
        UserError: a path that leads out of the folder.
    """
    # A long address is no name of a file; os.path.exists raises nothing.
    if not isinstance(path, str) or not os.path.exists(folder / path):
        return []
    if os.path.isabs(path):
        return []
    require_inside(path, folder / "config.yaml")
    if (folder / path).is_dir():  # of transformers
        return [
            f"{path}/{file.name}"
            for file in (folder / path).iterdir()
            if file.is_file()
        ]
    beside = str(PurePosixPath(path).parent / "config.yaml")  # of ESPnet's HuBERT
    return [path, *([beside] if (folder / beside).is_file() else [])]


def _link(output_dir: Path, name: PurePosixPath, target: Path) -> None:
    """Make `output_dir`/`name` a link to a file, in folders that are none."""
    for parent in reversed(name.parents):
        folder = output_dir / parent
        if folder != output_dir and folder.is_symlink():  # of an earlier version
            folder.unlink()
        make_folder(folder)
    link = output_dir / name
    if link.resolve() == target.resolve():
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise UserError(f"{link}: is in the way of the downloaded model")
    link.symlink_to(target.resolve())
