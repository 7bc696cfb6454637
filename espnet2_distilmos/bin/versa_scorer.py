#!/usr/bin/env python3
"""VERSA's scorer (`python -m versa.bin.scorer`), with the metric `distilmos` in it."""

import sys

from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError


def main(cmd=None) -> None:
    """Hand all options over to VERSA."""
    try:
        from espnet2_distilmos.tts.versa_metric import add_to_versa

        add_to_versa()
        from versa.bin import scorer
    except ImportError as e:
        raise UserError(str(e)) from e
    sys.argv = ["versa.bin.scorer", *(sys.argv[1:] if cmd is None else cmd)]
    scorer.main()


if __name__ == "__main__":
    sys.exit(run(main))
