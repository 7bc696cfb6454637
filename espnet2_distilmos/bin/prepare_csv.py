#!/usr/bin/env python3
"""Make data directories from a CSV of your own: wav,mos[,system][,split]."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Tuple

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.label_info import KINDS, NOT_STATED, LabelInfo


def _scale(text: str) -> Tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"LOW,HIGH was expected, not {text}") from e
    return low, high


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos prepare-csv`."""
    parser = argparse.ArgumentParser(
        description="Check a CSV with the columns wav,mos and, if there are any, "
        "system,split; write DATA_DIR/{train,valid,test}. Paths are relative to the "
        "CSV. Without a column split, sets are drawn by system where there are 8 or "
        "more, else by clip.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos prepare-csv --csv my_test/scores.csv",
            "distilmos prepare-csv --csv scores.csv --label_kind human "
            "--label_name MOS --scale 1,5 --scales 'noisiness coloration'",
        ),
    )
    parser.add_argument("--csv", required=True, help="The table")
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Parent of the data dirs"
    )
    parser.add_argument(
        "--scale",
        type=_scale,
        default="1,5",
        metavar="LOW,HIGH",
        help="Ends of the rating scale; scores beyond are refused",
    )
    parser.add_argument(
        "--label_kind",
        choices=(*KINDS, NOT_STATED),
        default=NOT_STATED,
        help="What the scores are: ratings by listeners, an objective measure, or "
        "predicted by a model. It is recorded in every model trained on them",
    )
    parser.add_argument(
        "--label_name",
        default="",
        help="What the scores are called, e.g. PESQ MOS-LQO (human ratings: MOS)",
    )
    parser.add_argument(
        "--label_licence", default="", help="Licence of the corpus, to be recorded too"
    )
    parser.add_argument(
        "--corpus", default="", help="Name of the corpus (empty: that of the CSV)"
    )
    parser.add_argument(
        "--scales",
        default="",
        metavar="NAMES",
        help="Columns that are further scales (into utt2scores), with the same ends; "
        "a field may be empty",
    )
    parser.add_argument(
        "--valid_fraction", type=takes.number, default=0.1, help="Share of valid"
    )
    parser.add_argument(
        "--test_fraction", type=takes.number, default=0.1, help="Share of test"
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Seed of the draws")
    parser.add_argument(
        "--skip_bad",
        type=takes.true_or_false,
        default=False,
        help="Leave bad lines out and list them, instead of stopping",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Check the table, write the data directories and log what was done."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.own_csv.prepare import prepare_csv

    corpus = args.corpus or Path(args.csv).stem
    labels = LabelInfo(
        corpus, args.label_kind, args.label_name, licence=args.label_licence
    )
    told = prepare_csv(
        args.csv,
        args.data_dir,
        args.scale,
        args.valid_fraction,
        args.test_fraction,
        args.seed,
        args.skip_bad,
        labels,
        args.scales.split(),
    )
    for line in told:
        logging.info(line)


if __name__ == "__main__":
    sys.exit(run(main))
