#!/usr/bin/env python3
"""Compare recipes of several trainings each, from their predictions."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos compare-seeds`."""
    parser = argparse.ArgumentParser(
        description="Compare recipes that were trained with several seeds each, from "
        "the predictions of every training. Writes the mean figure of each with its "
        "95 % interval, and a paired test of each difference: for other systems, other "
        "prompts and other seeds.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos compare-seeds --data_dir dump/raw/test "
            "--models a=exp/mos_a_s*/inference/test b=exp/mos_b_s*/inference/test "
            "--output seeds.md",
            "distilmos compare-seeds --data_dir dump/cv5_system/raw/cv5_system "
            "--models a=s0/cv5_system,s1/cv5_system probe=linear_probe/cv5_system "
            "--clusters utt2sys utt2spk --metrics srcc lcc --pairs a-probe "
            "--output seeds.md",
        ),
    )
    parser.add_argument(
        "--data_dir",
        type=takes.path,
        required=True,
        metavar="DIR",
        help="Set with utt2mos (labels) and the files of --clusters",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        metavar="NAME=FOLDER,...",
        help="Folders with utt2mos of each training of a recipe; patterns as "
        "exp/mos_x_s*/inference/test stand for several. Every one predicts exactly the "
        "clips of --data_dir. One folder is a row without seeds, as the linear probe",
    )
    parser.add_argument(
        "--output",
        type=takes.path,
        required=True,
        metavar="FILE.md",
        help="Tables; all figures are written beside it, to FILE.json",
    )
    parser.add_argument(
        "--clusters",
        nargs="+",
        metavar="FILE",
        help="One or two files of --data_dir, `ID CLUSTER`: what is resampled, by "
        "utterance (default: utt2sys and, where there is one, utt2prompt)",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["srcc"],
        metavar="FIGURE",
        help="Figures that are tested: mse, lcc, srcc, ktau. Each makes more tests to "
        "correct for",
    )
    parser.add_argument(
        "--pairs",
        nargs="+",
        metavar="A-B",
        help="Differences that are tested (default: each other model with the first)",
    )
    parser.add_argument(
        "--paired_seeds",
        action="store_true",
        help="Seeds of two models belong together, in the order of their folders",
    )
    parser.add_argument(
        "--power_at",
        nargs="+",
        type=takes.positive,
        default=[],
        metavar="DIFFERENCE",
        help="True differences: tells the power of the tests with 1, 2, 5, 10 and 20 "
        "seeds, and what a power of 0.8 needs",
    )
    parser.add_argument("--log_level", default="INFO")
    return parser


def main(cmd=None) -> None:
    """Write the tables and print them."""
    args = vars(get_parser().parse_args(cmd))
    set_up_logging(args.pop("log_level"))
    from espnet2_distilmos.report.seeds_page import write_comparison

    show(write_comparison(**args), end="")


if __name__ == "__main__":
    sys.exit(run(main))
