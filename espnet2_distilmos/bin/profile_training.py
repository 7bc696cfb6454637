#!/usr/bin/env python3
"""Print where the time of a training went: waiting for data, forward, backward..."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos profile-training`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos profile-training --exp exp/mos_x",
            "distilmos profile-training --exp egs2/bvcc/distilmos1/exp/mos_x",
        ),
    )
    parser.add_argument(
        "--exp", type=takes.path, required=True, help="Folder with checkpoint.pth"
    )
    return parser


def main(cmd=None) -> None:
    """Print how the time of a training was spent."""
    args = get_parser().parse_args(cmd)
    from espnet2_distilmos.train.history import read_history
    from espnet2_distilmos.train.profile import time_shares, time_table

    show(time_table(time_shares(read_history(Path(args.exp) / "checkpoint.pth"))))


if __name__ == "__main__":
    sys.exit(run(main))
