#!/usr/bin/env python3
"""A pretrained model as a small file that S3PRL loads, with its model card."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=takes.HelpFormatter
    )
    parser.add_argument(
        "--pretrain_config", required=True, help="As conf/pretrain_mini.yaml"
    )
    parser.add_argument("--corpus_dir", required=True, help="Folder of stage 1")
    parser.add_argument("--checkpoint", required=True, help="model.pt, last iteration")
    parser.add_argument(
        "--output", type=takes.path, required=True, help="File to write, NAME.pt"
    )
    return parser


def main(cmd=None) -> None:
    """Parse the options and export."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.export import export_upstream

    config = read_config(args.pretrain_config)
    export_upstream(args.checkpoint, config, args.corpus_dir, args.output)


if __name__ == "__main__":
    sys.exit(run(main))
