#!/usr/bin/env python3
"""Stage 6 with --calibrate true: a checkpoint whose scores fit the validation set."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos calibrate`."""
    parser = argparse.ArgumentParser(
        description="Fit an affine map from predictions of the validation set to its "
        "labels, and write a checkpoint that scores through it, with a record (.yaml) "
        "beside it.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos calibrate --train_config exp/mos_x/config.yaml "
            "--model_file exp/mos_x/valid.loss.ave_5best.pth "
            "--ref_utt2mos dump/raw/valid/utt2mos "
            "--hyp_utt2mos exp/mos_x/valid/utt2mos --output exp/mos_x/calibrated.pth",
            "distilmos calibrate --train_config config.yaml --model_file model.pth "
            "--ref_utt2mos labels --hyp_utt2mos predictions --output calibrated.pth",
        ),
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
    """Fit the map, write the calibrated checkpoint and print what was done."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.calibrate import calibrate_model

    show(calibrate_model(**vars(args))["told"])


if __name__ == "__main__":
    sys.exit(run(main))
