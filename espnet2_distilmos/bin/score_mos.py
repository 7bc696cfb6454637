#!/usr/bin/env python3
"""Score predicted MOS against labels: MSE, LCC, SRCC, KTAU with intervals."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.report.scored import write_scores
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos score-mos`."""
    parser = argparse.ArgumentParser(
        description="Score predicted MOS against labels by utterance, by system and "
        "within systems, with 95 % bootstrap intervals. Files have one `ID VALUE` "
        "line an utterance, sorted with LC_ALL=C.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos score-mos --ref_utt2mos data/test/utt2mos --hyp_utt2mos utt2mos",
            "distilmos score-mos --ref_utt2mos data/test/utt2mos "
            "--hyp_utt2mos utt2mos --utt2sys data/test/utt2sys --output scores.json "
            "--table scores.txt",
        ),
    )
    parser.add_argument("--ref_utt2mos", required=True, help="Labels: `ID MOS`")
    parser.add_argument("--hyp_utt2mos", required=True, help="Predictions: `ID MOS`")
    parser.add_argument(
        "--utt2sys", help="Systems: `ID SYSTEM`; without it only utterances are scored"
    )
    parser.add_argument(
        "--output",
        type=takes.path,
        help="scores.json to write; also holds the SHA-256 of what it is made from",
    )
    parser.add_argument(
        "--table",
        type=takes.path,
        help="Text file for the table that else is printed; where it and --output are "
        "made from the same already, nothing is done",
    )
    parser.add_argument(
        "--n_bootstrap",
        type=takes.natural,
        default=1000,
        help="Resamples; 0 for no intervals",
    )
    parser.add_argument(
        "--seed", type=takes.seed, default=0, help="Seed of the resampling"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Compare predictions with labels, print the table or write both files."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.table is not None and args.output is None:
        parser.error("--table goes with --output")
    table = write_scores(**vars(args))
    if table is not None and args.table is None:
        show(table, end="")


if __name__ == "__main__":
    sys.exit(run(main))
