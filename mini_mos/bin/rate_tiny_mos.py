#!/usr/bin/env python3
"""Give a model the linear probe of human ratings as its readout."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.rate_tiny_mos`."""
    parser = argparse.ArgumentParser(
        description="Fit the linear probe of a model's frozen upstream to human "
        "ratings and put it in the place of the model's readout; nothing else of the "
        "model changes. What it predicts for the rated clips is written out of fold: "
        "by probes that heard none of the clip's system.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.rate_tiny_mos --model_file "
            "exp/mos_predicted/valid.srcc.best.pth --data_dir dump/raw/human "
            "--features_dir exp/features --output_dir exp/mos_human",
            "python -m mini_mos.bin.rate_tiny_mos --model_file model.pth --data_dir "
            "dump/raw/human --features_dir exp/features --output_dir exp/half "
            "--weight 0.5 --folds 10 --nj 2",
        ),
    )
    parser.add_argument(
        "--model_file",
        type=takes.path,
        required=True,
        help="Checkpoint with `readout: statistics`, config.yaml beside it",
    )
    parser.add_argument(
        "--data_dir", type=takes.path, required=True, help="Formatted set of ratings"
    )
    parser.add_argument(
        "--train_dirs",
        nargs="*",
        default=[],
        type=takes.path,
        help="Further formatted sets that every probe is fitted to",
    )
    parser.add_argument(
        "--features_dir",
        type=takes.path,
        required=True,
        help="Where the statistics of the frozen upstream are kept",
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Folder to write"
    )
    parser.add_argument(
        "--weight", type=takes.not_negative, default=0.7, help="Share of the probe"
    )
    parser.add_argument(
        "--folds", type=takes.positive_int, default=6, help="Folds of whole systems"
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Of the folds")
    parser.add_argument("--nj", type=takes.positive_int, default=1, help="Processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Write the model and its predictions."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.weight > 1:
        parser.error(f"--weight {args.weight:g}: a share is at most 1")
    set_up_logging()
    from mini_mos.tiny_mos.rate import rate_model

    rate_model(
        Path(args.model_file).parent / "config.yaml",
        args.model_file,
        args.data_dir,
        args.features_dir,
        args.output_dir,
        args.weight,
        args.train_dirs,
        args.folds,
        args.seed,
        args.nj,
    )


if __name__ == "__main__":
    sys.exit(run(main))
