#!/usr/bin/env python3
"""Score predicted MOS against labels: MSE, LCC, SRCC, KTAU with intervals."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.scoring.score import score_files
from espnet2_distilmos.scoring.tables import scores_table
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.files import require_output, write_json
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        description="Score predicted MOS against labels by utterance, by system and "
        "within systems, with 95 %% bootstrap intervals. Files have one `ID VALUE` "
        "line an utterance, sorted with LC_ALL=C.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--ref_utt2mos", required=True, help="Labels: `ID MOS`")
    parser.add_argument("--hyp_utt2mos", required=True, help="Predictions: `ID MOS`")
    parser.add_argument(
        "--utt2sys", help="Systems: `ID SYSTEM`; without it only utterances are scored"
    )
    parser.add_argument(
        "--output", type=takes.path, help="scores.json to write; always printed too"
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


def main(cmd: Sequence[str] | None = None) -> None:
    """Score, print and write."""
    args = get_parser().parse_args(cmd)
    if args.output is not None:
        inputs = args.ref_utt2mos, args.hyp_utt2mos, args.utt2sys
        require_output(args.output, *inputs)
    scores = score_files(
        args.ref_utt2mos, args.hyp_utt2mos, args.utt2sys, args.n_bootstrap, args.seed
    )
    if args.output is not None:
        write_json(args.output, scores)
    show(scores_table(scores), end="")


if __name__ == "__main__":
    sys.exit(run(main))
