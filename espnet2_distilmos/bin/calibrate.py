#!/usr/bin/env python3
"""Stage 6 with --calibrate true: a checkpoint whose scores fit the validation set."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description="Fit an affine map from predictions of the validation set to its "
        "labels, and write a checkpoint that scores through it, with a record (.yaml) "
        "beside it.",
        formatter_class=takes.HelpFormatter,
    )
    parser.add_argument("--train_config", required=True, help="exp/.../config.yaml")
    parser.add_argument("--model_file", required=True, help="The checkpoint as it is")
    parser.add_argument("--ref_utt2mos", required=True, help="Labels: `ID MOS`")
    parser.add_argument(
        "--hyp_utt2mos", required=True, help="What it predicts for them: `ID MOS`"
    )
    parser.add_argument(
        "--output", type=takes.path, required=True, help="Checkpoint to write"
    )
    return parser


def main(cmd=None) -> None:
    """Parse the options and calibrate."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.calibrate import calibrate_model

    show(calibrate_model(**vars(args))["told"])


if __name__ == "__main__":
    sys.exit(run(main))
