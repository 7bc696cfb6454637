#!/usr/bin/env python3
"""Write the data directories of TMHINT-QI."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.bin.corpus_options import corpus_parser
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = corpus_parser(__doc__)
    parser.add_argument(
        "--seed", type=takes.seed, default=0, help="Of the validation set"
    )
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Read the corpus and write."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.tmhint_qi import prepare_tmhint_qi

    prepare_tmhint_qi(**vars(args))


if __name__ == "__main__":
    sys.exit(run(main))
