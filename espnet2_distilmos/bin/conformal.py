#!/usr/bin/env python3
"""Make intervals for a model's scores, from clips with labels."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos conformal`."""
    parser = argparse.ArgumentParser(
        description="Make intervals that hold a chosen share of labels (split "
        "conformal prediction), from clips with labels that had no part in the "
        "training or the choice of the model, and store them with it: `distilmos score "
        "--interval 0.9` then tells mos_low and mos_high. Of a checkpoint the record "
        "is a file beside it (.interval.yaml), of an exported model a copy is written.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos conformal --model_file exp/mos_x/valid.srcc.best.pth "
            "--ref_utt2mos dump/raw/calibration/utt2mos "
            "--hyp_utt2mos exp/mos_x/inference/calibration/utt2mos",
            "distilmos conformal --model_file model.onnx --output with.onnx "
            "--ref_utt2mos data/calibration/utt2mos --hyp_utt2mos scored/utt2mos "
            "--utt2sys data/calibration/utt2sys",
        ),
    )
    parser.add_argument(
        "--model_file",
        type=takes.path,
        required=True,
        help="Checkpoint (*.pth), exported model (*.onnx), or `default` = the model "
        "that the package brings",
    )
    parser.add_argument("--ref_utt2mos", required=True, help="Labels: `ID MOS`")
    parser.add_argument(
        "--hyp_utt2mos",
        required=True,
        help="What this very model predicts for them: `ID MOS`",
    )
    parser.add_argument(
        "--utt2sys",
        help="Their systems (`ID SYSTEM`): the intervals then hold for clips of new "
        "systems, each of these counts once, and they are wider",
    )
    parser.add_argument(
        "--out_of_fold",
        action="store_true",
        help="The predictions are those of a cross-validation's models (--folds of a "
        "recipe), each for what it was not trained on, and this model was trained on "
        "all: told beside the intervals, which then are promised by nothing",
    )
    parser.add_argument(
        "--data",
        metavar="WORDS",
        help="What the clips are, for people (default: the folder of the labels)",
    )
    parser.add_argument(
        "--output",
        type=takes.path,
        metavar="FILE",
        help="Of an exported model: the .onnx file to write",
    )
    return parser


def main(cmd=None) -> None:
    """Make the intervals, store them and print what they are."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.conformal import make_intervals

    show(make_intervals(**vars(args)).sentence(0.9))


if __name__ == "__main__":
    sys.exit(run(main))
