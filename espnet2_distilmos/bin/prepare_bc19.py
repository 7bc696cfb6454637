#!/usr/bin/env python3
"""Write the data directories of BC19 (VoiceMOS Challenge 2022, out-of-domain track)."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.bin.corpus_options import corpus_parser
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    return corpus_parser(__doc__, listeners=True)


def main(cmd: Sequence[str] | None = None) -> None:
    """Read the corpus and write."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.bc19 import prepare_bc19

    prepare_bc19(**vars(args))


if __name__ == "__main__":
    sys.exit(run(main))
