#!/usr/bin/env python3
"""Stage 6 with --folds: predictions of all folds as those of one set, with figures."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos combine-folds`."""
    parser = argparse.ArgumentParser(
        description="Join the predictions of the folds of a cross-validation, each "
        "clip by the model that was not trained on it; score and draw them over the "
        "labels. Intervals resample what the folds keep apart (systems). It is an "
        "error where a clip is not predicted, or twice.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos combine-folds --folds_dir dump/cv2_system --tag_dirs "
            "exp/cv2_system/fold1/mos_x/inference exp/cv2_system/fold2/mos_x/inference "
            "--output_dir exp/cv2_system/mos_x/inference",
            "distilmos combine-folds --folds_dir dump/cv2_system --rows_dirs "
            "exp/cv2_system/fold1/reference_rows exp/cv2_system/fold2/reference_rows "
            "--rows_output_dir exp/cv2_system/reference_rows",
        ),
    )
    parser.add_argument(
        "--folds_dir",
        required=True,
        type=takes.path,
        help="What `distilmos make-folds` has written",
    )
    parser.add_argument(
        "--tag_dirs",
        nargs="+",
        type=takes.path,
        help="EXP/INFERENCE_TAG of each fold, in order, with test/utt2mos",
    )
    parser.add_argument(
        "--output_dir", type=takes.path, help="The same of all folds, to write"
    )
    parser.add_argument(
        "--train_config",
        help="config.yaml of a fold's model, which says what it predicts",
    )
    parser.add_argument(
        "--rows_dirs",
        nargs="+",
        type=takes.path,
        help="Rows to compare with, of each fold, in order: <row>/test/utt2mos",
    )
    parser.add_argument(
        "--rows_output_dir", type=takes.path, help="The same of all folds, to write"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Join, score and draw."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    for source, target in (
        ("tag_dirs", "output_dir"),
        ("rows_dirs", "rows_output_dir"),
    ):
        if (getattr(args, source) is None) != (getattr(args, target) is None):
            parser.error(f"--{source} and --{target} go together")
    if args.tag_dirs is None and args.rows_dirs is None:
        parser.error("--tag_dirs, --rows_dirs or both are needed")
    set_up_logging()
    from espnet2_distilmos.report.out_of_fold import (
        write_out_of_fold,
        write_rows_out_of_fold,
    )
    from espnet2_distilmos.utils.files import read_yaml
    from espnet2_distilmos.utils.folds import Folds
    from espnet2_distilmos.utils.labels import Labels

    folds = Folds.read(args.folds_dir)
    if args.tag_dirs is not None:
        model = Labels()
        if args.train_config is not None:
            model = Labels.of_model(read_yaml(args.train_config), args.train_config)
        write_out_of_fold(folds, args.tag_dirs, args.output_dir, model.axis)
    if args.rows_dirs is not None:
        write_rows_out_of_fold(folds, args.rows_dirs, args.rows_output_dir)


if __name__ == "__main__":
    sys.exit(run(main))
