#!/usr/bin/env python3
"""Write a model as one ONNX file, which is scored with without torch."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import MODEL_HELP
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos export`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Write a model as one ONNX file, front end and metadata included: "
        "`distilmos score --model FILE.onnx` needs neither torch nor s3prl. Its scores "
        "are compared with PyTorch's before anything is written.",
        epilog=takes.examples(
            "distilmos export exp/mos_x/valid.srcc.best.pth --output model.onnx",
            "distilmos export model.zip --output small.onnx --precision weights8 "
            "--clips my_wavs/",
        ),
    )
    parser.add_argument("model", type=takes.path, metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "--output",
        type=takes.path,
        required=True,
        metavar="FILE",
        help="The .onnx file to write",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "weights8", "int8"),
        default="float32",
        help="weights8: a quarter of the size, as quick, scores change a little; int8: "
        "on most processors quicker, they change more. By how much is measured and "
        "told (default: float32)",
    )
    parser.add_argument(
        "--clips",
        type=takes.path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="Files, folders or a wav.scp to measure that on, the first 20 s of each "
        "(default: made-up sounds)",
    )
    return parser


def main(cmd=None) -> None:
    """Export the model and tell what was measured."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.inference.export import export_model

    record = export_model(args.model, args.output, args.precision, args.clips)
    for name, difference in record.differences.items():
        show(f"{name}: {difference}")
    show(f"exported: {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
