#!/usr/bin/env python3
"""Write the data directories of SOMOS."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.bin.corpus_options import corpus_parser
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = corpus_parser(__doc__, listeners=True)
    parser.add_argument(
        "--subset",
        choices=("clean", "full"),
        default="clean",
        help="Labels of trustworthy listeners, or of all",
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Read the corpus and write."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.somos import prepare_somos

    prepare_somos(**vars(args))


if __name__ == "__main__":
    sys.exit(run(main))
