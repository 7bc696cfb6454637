#!/usr/bin/env python3
"""Predict test sets by references without SSL, for the tables of results."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos reference-rows`."""
    parser = argparse.ArgumentParser(
        description="Write OUTPUT_DIR/<row>/<set>/utt2mos and <row>/NOTE.txt for three "
        "rows: constant, the mean label of TRAIN_DIR, system_mean, an oracle, and "
        "spectral_statistics, simple statistics with regression trees trained on "
        "TRAIN_DIR.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos reference-rows --train_dir dump/raw/train "
            "--test_dirs dump/raw/test --output_dir exp/reference_rows",
            "distilmos reference-rows --train_dir dump/raw/train "
            "--test_dirs dump/raw/test dump/raw/somos/test --root dump/raw "
            "--output_dir exp/reference_rows --nj 4",
        ),
    )
    parser.add_argument("--train_dir", required=True, help="Data dir with labels")
    parser.add_argument(
        "--test_dirs", required=True, nargs="+", help="Data dirs with labels"
    )
    parser.add_argument(
        "--root", help="Sets are called by their path below this folder"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Where the rows go"
    )
    parser.add_argument(
        "--nj", dest="n_jobs", type=takes.positive_int, default=2, help="Threads"
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Seed of the trees")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Predict every test set by every reference and write the rows."""
    set_up_logging()
    args = get_parser().parse_args(cmd)
    from espnet2_distilmos.report.reference import write_reference_rows

    write_reference_rows(**vars(args))


if __name__ == "__main__":
    sys.exit(run(main))
