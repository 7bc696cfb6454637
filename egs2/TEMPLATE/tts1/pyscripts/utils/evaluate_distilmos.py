#!/usr/bin/env python3
"""MOS of decoded speech, called like its neighbour evaluate_pseudomos.py.

The same as `python -m espnet2_distilmos.bin.evaluate_distilmos`. The package is that of
the Python which runs this, or else the one of the checkout that this file is in.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("espnet2_distilmos") is None:
    sys.path.append(str(Path(__file__).resolve().parents[5]))
try:
    from espnet2_distilmos.bin.evaluate_distilmos import main
    from espnet2_distilmos.utils.command import run
except ModuleNotFoundError as e:
    sys.exit(f"error: {e.name} is missing: pip install espnet2-distilmos")

if __name__ == "__main__":
    sys.exit(run(main))
