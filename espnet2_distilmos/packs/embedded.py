"""The model that the package brings: what is scored with where none is named.

`espnet2_distilmos/embedded/` holds `mos.onnx`, a file of `distilmos export`, and its
card. The recipe that makes it is `egs2/tiny_mos/distilmos1`.
"""

from pathlib import Path
from typing import List

import espnet2_distilmos
from espnet2_distilmos.packs.folder import Model
from espnet2_distilmos.utils.errors import UserError

DEFAULT = "default"  # its name, for `--model`
FOLDER = Path(espnet2_distilmos.__file__).parent / "embedded"
# Of the card, the part that `distilmos info` shows.
FIGURES = "## Figures"


def embedded_model() -> Model:
    """Return the file of the embedded model, which stands for config and checkpoint.

    Raises:
        UserError: this install has none.
    """
    file = FOLDER / "mos.onnx"
    if not file.is_file():
        raise UserError(
            f"{file}: missing, the default model of this package; install it again, or "
            "name a model: --model FILE, or --model authors with a network"
        )
    return file, file


def embedded_name() -> str:
    """Return what outputs call the embedded model."""
    return f"the default model of espnet2-distilmos {espnet2_distilmos.__version__}"


def figures() -> List[str]:
    """Return the lines of the card's figures, without their heading.

    Raises:
        UserError: the card is missing.
    """
    card = FOLDER / "README.md"
    try:
        text = card.read_text(encoding="utf-8")
    except OSError as e:
        raise UserError(
            f"{card}: cannot be read ({e.strerror}), the card of the default model; "
            "install the package again"
        ) from e
    _, _, after = text.partition(f"\n{FIGURES}\n")
    lines = after.partition("\n## ")[0].strip().splitlines()
    return [line for line in lines if line.strip()]
