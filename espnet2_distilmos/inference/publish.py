"""Packed models on their way to others and back: upload, model card, links."""

import shutil
import tempfile
from pathlib import Path
from typing import Optional

from espnet2_distilmos.inference.describe import describe_model
from espnet2_distilmos.inference.locate import locate_model, unpack
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.network import brief


def model_card(folder: PathLike, repo: str) -> str:
    """README.md of a packed model, in Markdown.

    Args:
        folder: the unpacked model.
        repo: `owner/name` on the Hub.
    """
    folder = Path(folder)
    shown = describe_model(str(folder))
    shown.pop("checkpoint")
    rows = "".join(f"| {name} | {text} |\n" for name, text in shown.items())
    results = folder / "RESULTS.md"
    return f"""---
tags:
- espnet
- audio
- speech-quality-assessment
- mean-opinion-score
license: other
license_name: {shown["licence"]!r}
library_name: espnet2-distilmos
---

# {repo}

Predicts the mean opinion score (MOS) of speech: DistilMOS
([arXiv 2601.13700](https://arxiv.org/abs/2601.13700)), trained with the
[ESPnet](https://github.com/espnet/espnet) recipe of espnet2-distilmos.

```sh
pip install espnet2-distilmos
distilmos score --model {repo} FOLDER
```

```python
from espnet2_distilmos.bin.distilmos_inference import DistilMOSInference

model = DistilMOSInference.from_pretrained("{repo}")
model(speech, fs=24000)["mos"]
```

|  |  |
| --- | --- |
{rows}
{results.read_text(encoding="utf-8") if results.exists() else ""}"""


def upload_model(
    archive: PathLike, repo: str, private: bool = False, token: Optional[str] = None
) -> str:
    """Upload a packed zip to the Hugging Face Hub; returns the address.

    Args:
        archive: from :func:`espnet2_distilmos.inference.pack.pack_model`.
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

    Args:
        tag: see :func:`espnet2_distilmos.inference.locate.locate_model`.
        output_dir: gets config.yaml, model.pth and, if packed, the upstream.

    Raises:
        UserError: no such model.
    """
    output_dir = Path(output_dir)
    train_config, model_file = locate_model(tag)
    links = {"config.yaml": train_config, "model.pth": model_file}
    path = (read_yaml(train_config).get("upstream_conf") or {}).get("path_or_url")
    if path is not None and (train_config.parent / path).exists():
        # Of `upstream/model.pth` the whole folder: a config.yaml lies beside it.
        top = Path(path).parts[0]
        links[top] = train_config.parent / top
    output_dir.mkdir(parents=True, exist_ok=True)
    for name, target in links.items():
        link = output_dir / name
        if link.resolve() == target.resolve():
            continue
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise UserError(f"{link}: is in the way of the downloaded model")
        link.symlink_to(target.resolve())
