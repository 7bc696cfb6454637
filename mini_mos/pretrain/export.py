"""The trained model as a small file that S3PRL loads, with its model card."""

import io
from pathlib import Path
from typing import Any, Dict

import torch

from espnet2_distilmos import __version__
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import (
    PathLike,
    atomic_path,
    read_yaml,
    sha256_file,
    write_text,
)
from mini_mos.pretrain.config import SSLConfig

MOST_BYTES = 8 << 20  # of a file that is kept in the repository
_FP16_RANGE = 65504.0


def export_upstream(
    model_path: PathLike, config: SSLConfig, corpus_dir: PathLike, path: PathLike
) -> None:
    """Write an upstream's checkpoint and its model card.

    Writes::

        <path>                    {"cfg", "model"}, weights fp16
        <path without suffix>.md  model card: figures, speech, licence, sha256

    Args:
        model_path: `model.pt` of the last iteration.
        config: hyperparameters; `finetune` goes into the checkpoint's cfg.
        corpus_dir: folder of stage 1, whose provenance goes into the card.
        path: file to write, `.pt`.

    Raises:
        UserError: no such model, weights that fp16 cannot hold, or a file of more
            than 8 MB.
    """
    model_path, path = Path(model_path), Path(path)
    if not model_path.exists():
        raise UserError(f"{model_path}: no such file; run the training stages first")
    saved = torch.load(model_path, weights_only=True)
    weights = {}
    for name, value in saved["model"].items():
        if not bool((value.abs() < _FP16_RANGE).all()):
            raise UserError(f"{model_path}: {name} does not fit into fp16")
        weights[name] = value.to(torch.float16).contiguous()
    with atomic_path(path) as tmp:
        cfg = {**saved["cfg"], **config.finetune}
        # Into memory first: torch writes the (temporary) file's name into the file,
        # and the same model must give the same bytes.
        content = io.BytesIO()
        torch.save({"cfg": cfg, "model": weights}, content)
        tmp.write_bytes(content.getvalue())
        if tmp.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: more than 8 MB; a smaller model, please")
    write_text(path.with_suffix(".md"), _card(model_path, config, corpus_dir, path))


def _curve_rows(folder: Path) -> str:
    """Return the last line of each iteration's curve, beside `folder` (`..._it<n>`)."""
    stem = folder.name.rsplit("_it", 1)[0]
    lines = []
    for own in sorted(folder.parent.glob(f"{stem}_it*")):
        curve = own / "curve.tsv"
        if not curve.exists():
            continue
        head, *rows = (line.split("\t") for line in curve.read_text().splitlines())
        last: Dict[str, Any] = dict(zip(head, rows[-1]))
        figures = [last["valid_loss"], last["valid_masked_acc"]]
        figures.append(last["valid_unmasked_acc"])
        shown = " | ".join(f"{float(v):.3f}" for v in figures)
        lines.append(f"| {own.name.rsplit('_it', 1)[1]} | {last['step']} | {shown} |")
    return "\n".join(lines)


def _card(model_path: Path, config: SSLConfig, corpus_dir: PathLike, path: Path) -> str:
    provenance = read_yaml(Path(corpus_dir) / "provenance.yaml")
    packages = "\n".join(
        f"- {p['package']} {p['version']}, sha256 {p['sha256']}"
        for p in provenance["packages"].values()
    )
    licences = "\n".join(f"- {text}" for text in provenance["licences"].values())
    targets = config.targets
    size = path.stat().st_size
    saved = torch.load(path, weights_only=True)
    n = sum(v.numel() for v in saved["model"].values())
    cfg, hours = saved["cfg"], provenance["hours"]
    return f"""# {path.name}

A small WavLM, pretrained by masked prediction with `egs2/mini_mos/ssl1`
(espnet2-distilmos {__version__}). No code is in the file.

| | |
|---|---|
| parameters | {n / 1e6:.2f} M |
| layers x channels | {cfg["encoder_layers"]} x {cfg["encoder_embed_dim"]} |
| input, frames | 16 kHz, 20 ms |
| format | S3PRL's WavLM (`upstream: wavlm_local`), fp16, {size / 1e6:.1f} MB |
| sha256 | `{sha256_file(path)}` |

It is weak: it has heard {hours["train"]:.1f} h of few voices, for a few thousand steps.
What its layers know, against random weights: `egs2/mini_mos/ssl1/RESULTS.md`. It is
there so that the recipe has something pretrained to fine-tune; for scores that matter
take an SSL model of the usual size.

## Speech

{provenance["clips"]} clips: {hours["train"]:.2f} h to train, {hours["valid"]:.2f} h for
the curves. {config.corpus.degraded:.0%} of them go through the *training* degradations
of mini_mos. Prompts, speakers and degradations of that corpus' other sets are not in
it (`exclusion.yaml` of the recipe), and no synthetic voice is. Packages (the prompts
of it and ru only tell what to leave out):

{packages}

Licences of the speech:

{licences}

No recording is in the file. The weights are our own work, licence Apache-2.0, as all
of this project. Whether a licence of recordings reaches a model trained on them is
not settled; who needs to be sure can run the recipe on speech of their own.

## Training

Targets: {targets.bands} bands of the log-mel spectrum of the clip as it is heard, with
{targets.band_clusters} clusters each; from iteration 2 on also the layers
{", ".join(map(str, targets.layers))} of the iteration before, with
{targets.layer_clusters} clusters each. Loss on masked and on other frames. Validation
at the end (accuracy: mean over the code books, which differ between iterations):

| iteration | steps | loss | masked accuracy | unmasked accuracy |
|---|---|---|---|---|
{_curve_rows(model_path.parent)}
"""
