#!/usr/bin/env python3
"""MOS of decoded speech, called like its neighbour evaluate_pseudomos.py.

The same as `python -m espnet2_distilmos.bin.evaluate_distilmos`, with the package of
the checkout that this file is in; a copy elsewhere takes the installed package.
"""

import sys
from pathlib import Path

for folder in Path(__file__).resolve().parents:
    if (folder / "espnet2_distilmos" / "__init__.py").is_file():
        sys.path.insert(0, str(folder))
        break
try:
    from espnet2_distilmos.bin.evaluate_distilmos import main
    from espnet2_distilmos.utils.command import run
except ModuleNotFoundError as e:
    sys.exit(
        f"error: {e.name} is missing: run pip install '.[torch]' in a clone of "
        "DistilMOS"
    )

if __name__ == "__main__":
    sys.exit(run(main))
