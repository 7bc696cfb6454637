"""DistilMOS for ESPnet: MOS prediction with layer-wise self-distillation.

>>> from espnet2_distilmos import DistilMOSInference
>>> model = DistilMOSInference.from_pretrained("exp/mos_x/valid.srcc.best.pth")
>>> model(speech, fs=24000)["mos"]
"""

from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from espnet2_distilmos.inference.engine import DistilMOSInference

__all__ = ["DistilMOSInference", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import :class:`DistilMOSInference` when it is asked for.

    Importing the package itself stays instant: torch takes seconds, and most commands
    answer `--help` or refuse a mistaken option without it.

    Raises:
        AttributeError: the package has nothing of that name.
    """
    if name == "DistilMOSInference":
        from espnet2_distilmos.inference.engine import DistilMOSInference

        return DistilMOSInference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    """Return the public names, those that are imported on demand included."""
    return sorted({*globals(), *__all__})
