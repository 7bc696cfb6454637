#!/usr/bin/env python3
"""Stage 1: combine sets of several corpora into one, for joint training."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos combine-sets`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos combine-sets --set bvcc data/train . "
            "--set somos ../../somos/distilmos1/data/train ../../somos/distilmos1 "
            "--output_dir data/train_joint",
            "distilmos combine-sets --set mine data/valid . "
            "--set bvcc /corpora/bvcc/data/valid /corpora/bvcc "
            "--output_dir data/valid_joint",
        ),
    )
    parser.add_argument(
        "--set",
        nargs=3,
        action="append",
        required=True,
        metavar=("CORPUS", "DATA_DIR", "AUDIO_ROOT"),
        help="Name of a corpus, data directory of its set, folder where relative "
        "paths in it start; once a set",
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Data directory to write"
    )
    return parser


def main(cmd=None) -> None:
    """Write one data directory of several sets."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.combine import Part, combine_sets

    combine_sets([Part(*given) for given in args.set], args.output_dir)


if __name__ == "__main__":
    sys.exit(run(main))
