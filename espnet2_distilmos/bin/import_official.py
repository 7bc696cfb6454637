#!/usr/bin/env python3
"""Turn a checkpoint that the method's authors released into a model of this package."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos import-official`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description=__doc__,
        epilog=takes.examples(
            "distilmos import-official --model_dir downloads/DistilMOS/wavlm "
            "--output_dir exp/mos_wavlm",
            "distilmos import-official --model_dir downloads/DistilMOS/w2v2 "
            "--output_dir exp/mos_w2v2",
        ),
    )
    parser.add_argument(
        "--model_dir", required=True, help="Folder with model.pth.tar, model_cfg.yaml"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Folder to write"
    )
    return parser


def main(cmd=None) -> None:
    """Import the checkpoint and print what was found in it."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.official import import_official

    for line in import_official(args.model_dir, args.output_dir):
        show(line)
    show(f"written: {args.output_dir}/config.yaml, model.pth and their upstream")


if __name__ == "__main__":
    sys.exit(run(main))
