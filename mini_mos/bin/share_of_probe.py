#!/usr/bin/env python3
"""Compute the scores of trained models with another share of the linear probe."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.share_of_probe`."""
    parser = argparse.ArgumentParser(
        description="Write, from the predictions of train_on_ratings, those of the "
        "same models with another readout_weight.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.share_of_probe --dir results/out_of_fold "
            "--probe_dir results/out_of_fold/linear_probe_whisper_tiny_en --share 0.9 "
            "--output_dir exp/probe90",
            "python -m mini_mos.bin.share_of_probe --dir predicted --probe_dir probe "
            "--share 0.7 --trained_share 0.3 --output_dir probe70",
        ),
    )
    parser.add_argument(
        "--dir", type=takes.path, required=True, help="<name>_s<seed>/utt2mos"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="The same, to write"
    )
    parser.add_argument(
        "--probe_dir", type=takes.path, required=True, help="utt2mos of the probe"
    )
    parser.add_argument(
        "--share",
        type=takes.not_negative,
        required=True,
        help="Of the probe, to compute",
    )
    parser.add_argument(
        "--trained_share",
        type=takes.not_negative,
        default=0.5,
        help="Of the probe, as it is",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write the scores, and tell of how many trainings."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.utils.errors import UserError
    from espnet2_distilmos.utils.terminal import show
    from mini_mos.ratings.shares import write_shares

    if args.trained_share >= 1 or args.share > 1:
        raise UserError("a share is at most 1, and of scores as they are below 1")
    n = write_shares(
        args.dir, args.probe_dir, args.output_dir, args.trained_share, args.share
    )
    show(f"{args.dir}: {n} trainings with the share {args.share:g} of the probe")


if __name__ == "__main__":
    sys.exit(run(main))
