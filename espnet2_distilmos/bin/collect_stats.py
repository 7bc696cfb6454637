#!/usr/bin/env python3
"""Stage 4: check a set's files against each other; shapes for batching."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos collect-stats`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos collect-stats --data_dir dump/raw/valid "
            "--output_dir exp/stats/valid",
            "distilmos collect-stats --data_dir dump/raw/train "
            "--tokens_scp dump/ssl/mini/kmeans_200/train/tokens.scp "
            "--output_dir exp/stats/train",
        ),
    )
    parser.add_argument(
        "--data_dir", type=takes.path, required=True, help="Formatted set with labels"
    )
    parser.add_argument("--tokens_scp", help="Tokens of the set, if they are used")
    parser.add_argument("--output_dir", type=takes.path, required=True)
    return parser


def main(cmd=None) -> None:
    """Check the files of a set and write the lengths of its clips."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.train.stats import collect_stats

    collect_stats(args.data_dir, args.output_dir, args.tokens_scp)


if __name__ == "__main__":
    sys.exit(run(main))
