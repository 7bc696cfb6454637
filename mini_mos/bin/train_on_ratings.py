#!/usr/bin/env python3
"""Train DistilMOS, its network without tokens and SSL-MOS out of fold, with seeds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.train_on_ratings`."""
    parser = argparse.ArgumentParser(
        description="Train, in a recipe whose folds are tokenized (./run.sh --folds 5 "
        "--stop_stage 4), every model from the upstream and from another model, with "
        "several seeds. What is done is not done again. Predictions of all folds are "
        "in exp/cv5_system/mos_MODEL_START_sSEED/inference/cv5_system/utt2mos.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.train_on_ratings --seeds 0 1 2 3 4 --main_model "
            "../../mini_mos/distilmos1/exp/mos_main/valid.srcc.best.pth",
            "python -m mini_mos.bin.train_on_ratings --seeds 0 --main_model "
            "main.pth --output_dir results/out_of_fold",
        ),
    )
    parser.add_argument(
        "--seeds", type=takes.seed, nargs="+", default=[0, 1, 2, 3, 4], help="Seeds"
    )
    parser.add_argument(
        "--main_model",
        type=Path,
        required=True,
        metavar="FILE.pth",
        help="The model that half of the trainings start from: that of mini_mos",
    )
    parser.add_argument(
        "--output_dir",
        type=takes.path,
        help="Where predictions are copied: MODEL_START_sSEED/utt2mos",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Train what is not trained, and join the predictions of the folds."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.ratings.trainings import copy_predictions, plan, run_all

    trainings = plan(args.seeds)
    run_all(trainings, args.main_model)
    if args.output_dir is not None:
        copy_predictions(trainings, args.output_dir)


if __name__ == "__main__":
    sys.exit(run(main))
