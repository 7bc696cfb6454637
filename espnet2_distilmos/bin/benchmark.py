#!/usr/bin/env python3
"""Compare models: score several sets with each, test every difference."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import add_scoring_options
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos benchmark`."""
    parser = argparse.ArgumentParser(
        description="Score several sets with several models. Writes tables with 95 % "
        "intervals and, for each pair of models and each set, a paired bootstrap test: "
        "difference, interval, p, and p corrected for the number of tests (Holm).",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos benchmark --models exp/mos_a exp/mos_b --sets dump/raw/test",
            "distilmos benchmark "
            "--models ours=model.zip theirs=BaleYang/DistilMOS/wavlm "
            "--sets bvcc=data/test --metrics srcc mse --device cuda",
        ),
    )
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="MODEL",
        help="Folder, zip, checkpoint, exported file, Hub repository, model zoo tag, "
        "default or authors; NAME=MODEL gives it a name",
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        required=True,
        metavar="DIR",
        help="Data directories with wav.scp, utt2mos and, for system figures, utt2sys; "
        "NAME=DIR gives a set a name",
    )
    parser.add_argument(
        "--output_dir",
        type=takes.path,
        default="benchmark",
        help="Predictions, scores and tables",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["srcc"],
        metavar="FIGURE",
        help="Figures whose differences are tested: mse, lcc, srcc, ktau. Each makes "
        "more tests to correct for",
    )
    parser.add_argument(
        "--n_bootstrap",
        type=takes.natural,
        default=10000,
        help="Resamples of the tests",
    )
    parser.add_argument(
        "--seed", type=takes.seed, default=0, help="Seed of the resampling"
    )
    add_scoring_options(parser)
    return parser


def main(cmd=None) -> None:
    """Score every set with every model and print the tables."""
    args = vars(get_parser().parse_args(cmd))
    set_up_logging(args.pop("log_level"))
    from espnet2_distilmos.inference.benchmark import benchmark

    show(benchmark(**args), end="")


if __name__ == "__main__":
    sys.exit(run(main))
