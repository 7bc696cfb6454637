#!/usr/bin/env python3
"""A pretrained model as a small file that S3PRL loads, with its model card."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.export_upstream`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.export_upstream "
            "--pretrain_config conf/pretrain_mini.yaml --corpus_dir data/ssl "
            "--checkpoint exp/pretrain_mini_it2/model.pt --output mini.pt",
            "python -m mini_mos.bin.export_upstream --pretrain_config my.yaml "
            "--corpus_dir data/ssl --checkpoint exp/my_it1/model.pt "
            "--output exp/my/first.pt",
        ),
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
    """Export the pretrained model and write its card beside it."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.export import export_upstream

    config = read_config(args.pretrain_config)
    export_upstream(args.checkpoint, config, args.corpus_dir, args.output)


if __name__ == "__main__":
    sys.exit(run(main))
