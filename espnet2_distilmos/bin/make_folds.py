#!/usr/bin/env python3
"""Stage 1 with --folds: the folds of a cross-validation, from formatted sets."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.folds import KEPT_APART


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos make-folds`."""
    parser = argparse.ArgumentParser(
        description="Make the folds of a cross-validation from formatted sets: for "
        "each a training, a validation and a test part. Every clip is tested in one "
        "fold, and no two folds test the same system (or speaker). The same clips and "
        "seed make the same folds.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos make-folds --data_dirs dump/raw/all --folds 5 "
            "--output_dir dump/cv5_system",
            "distilmos make-folds --data_dirs dump/raw/train dump/raw/valid "
            "dump/raw/test --folds 10 --fold_by speaker --seed 1 "
            "--output_dir dump/cv10_speaker",
        ),
    )
    parser.add_argument(
        "--data_dirs",
        required=True,
        nargs="+",
        type=takes.path,
        help="Formatted sets with labels; all their clips are used",
    )
    parser.add_argument(
        "--train_dirs",
        nargs="+",
        default=[],
        type=takes.path,
        help="Further formatted sets, whose clips train in every fold; none is dealt",
    )
    parser.add_argument(
        "--output_dir",
        required=True,
        type=takes.path,
        help="Gets raw/<name of this folder> with all clips, and "
        "fold<i>/raw/{train,valid,test}",
    )
    parser.add_argument(
        "--folds", required=True, type=takes.positive_int, help="How many, from 2"
    )
    parser.add_argument(
        "--fold_by",
        choices=list(KEPT_APART),
        default="system",
        help="What no two folds share",
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Of the draws")
    parser.add_argument(
        "--min_seconds", type=takes.not_negative, help="Shorter clips do not train"
    )
    parser.add_argument(
        "--max_seconds", type=takes.positive, help="Longer clips do not train"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write the folds, unless they are there."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.folds.write import make_folds

    make_folds(
        args.data_dirs,
        args.output_dir,
        args.folds,
        args.fold_by,
        args.seed,
        args.min_seconds,
        args.max_seconds,
        args.train_dirs,
    )


if __name__ == "__main__":
    sys.exit(run(main))
