"""Load a MOS predictor with `torch.hub`, without installing this package.

    >>> import torch
    >>> predictor = torch.hub.load("OWNER/REPOSITORY", "distilmos", model_tag="m.zip")
    >>> predictor(speech, fs=24000)["mos"]

The packages in `dependencies` have to be there; torch.hub says which are missing.
"""

from typing import Any, Optional

# Names to import. torch.hub looks each up before it calls an entry point.
dependencies = [
    "av",
    "entmax",
    "huggingface_hub",
    "numpy",
    "onnxruntime",
    "s3prl",  # of the package espnet-s3prl
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "torchaudio",
    "tqdm",
    "yaml",
]


def distilmos(model_tag: Optional[str] = None, device: str = "auto", **kwargs: Any):
    """Return a predictor: call it with samples and their rate to get a score.

    Args:
        model_tag: packed zip, folder with config.yaml, checkpoint, exported file, Hub
            repository (`owner/name`), model zoo tag, or `authors` for the weights that
            the method's authors released; None for the model that the package brings.
        device: `cpu`, `cuda`, `cuda:1`..., or `auto`: CUDA if there is any.
        kwargs: further arguments of
            :class:`espnet2_distilmos.inference.engine.DistilMOSInference`.

    Returns:
        A :class:`~espnet2_distilmos.inference.engine.DistilMOSInference`.

    Raises:
        espnet2_distilmos.utils.errors.UserError: no such model, or it cannot be
            downloaded.
    """
    from espnet2_distilmos import DistilMOSInference

    return DistilMOSInference.from_pretrained(model_tag, device=device, **kwargs)
