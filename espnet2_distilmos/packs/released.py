"""The weights that the method's authors released: downloaded and imported once."""

import logging
import re
from pathlib import Path
from typing import Dict, Tuple

from espnet2_distilmos.packs.folder import OTHER_WAYS, cache_dir, model_in
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import sha256_file
from espnet2_distilmos.utils.folders import atomic_folder
from espnet2_distilmos.utils.network import brief, hub_or_cache

# Their model repository on the Hugging Face Hub: one folder a backbone, each with
# model.pth.tar and model_cfg.yaml. From the released predict.py.
REPOSITORY = "BaleYang/DistilMOS"
AUTHORS = "authors"  # the same, for `--model`
BACKBONES = ("wavlm", "w2v2")
BACKBONE = BACKBONES[0]
# File -> SHA-256, for files that were seen and checked; others are checked against
# what the Hub says of them.
KNOWN_SHA256: Dict[str, str] = {}
LICENCE = (
    f"the authors' weights ({REPOSITORY}): their repository showed no licence file; "
    "ask them before you use the scores beyond research"
)


def released_model(backbone: str = BACKBONE) -> Tuple[Path, Path]:
    """Return config.yaml and checkpoint of a released model, from the cache if there.

    Args:
        backbone: its folder in their repository, one of :data:`BACKBONES`.

    Raises:
        UserError: there is none of that name, it cannot be downloaded, or is not what
            it should be.
    """
    if backbone not in BACKBONES:
        names = " and ".join(f"{REPOSITORY}/{name}" for name in BACKBONES)
        raise UserError(f"{REPOSITORY}/{backbone}: no such model; there are {names}")
    others = ", ".join(f"{REPOSITORY}/{b}" for b in BACKBONES if b != backbone)
    logging.info(f"the model {REPOSITORY}/{backbone} (the other one: {others})")
    logging.info(LICENCE)
    folder = cache_dir() / "released" / backbone
    if not folder.exists():
        from espnet2_distilmos.packs.official import import_official

        with atomic_folder(folder) as tmp:
            source = f"https://huggingface.co/{REPOSITORY} ({backbone})"
            for line in import_official(_download(backbone), tmp, source):
                logging.info(line)
    return model_in(folder)


def _download(backbone: str) -> Path:
    """Return the folder with the two files, each checked."""
    from huggingface_hub import hf_hub_download

    names = [f"{backbone}/model.pth.tar", f"{backbone}/model_cfg.yaml"]
    with hub_or_cache(REPOSITORY) as silent:
        try:
            files = {name: Path(hf_hub_download(REPOSITORY, name)) for name in names}
        except Exception as e:  # offline, gone, moved: a dozen types
            raise UserError(
                f"the authors' weights ({REPOSITORY}/{backbone}) are not on this "
                f"machine and could not be downloaded ({silent or brief(e)}); "
                f"{OTHER_WAYS}; or get their model.pth.tar and model_cfg.yaml another "
                "way and run distilmos import-official"
            ) from e
        for name, path in files.items():
            expected = KNOWN_SHA256.get(name) or _hub_sha256(name)
            if expected is not None and sha256_file(path) != expected:
                raise UserError(
                    f"{path}: SHA-256 is not {expected}: broken or changed; delete it "
                    "and try again"
                )
    return files[names[0]].parent


def _hub_sha256(name: str):
    """Return what the Hub says of a large file; None where it says nothing."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        etag = get_hf_file_metadata(hf_hub_url(REPOSITORY, name)).etag or ""
    except Exception:  # offline, with the file in the Hub client's cache
        return None
    return etag if re.fullmatch("[0-9a-f]{64}", etag) else None
