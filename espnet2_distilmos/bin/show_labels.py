#!/usr/bin/env python3
"""Say what the labels of a set are, in a line for a heading; record it of a model."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.files import read_yaml, write_yaml
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos show-labels`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos show-labels data/test/labels.yaml",
            "distilmos show-labels dump/raw/train/labels.yaml "
            "--train_config exp/mos_x/config.yaml",
        ),
    )
    parser.add_argument("file", help="labels.yaml")
    parser.add_argument(
        "--train_config",
        help="config.yaml of a training on that very set: the record in it is renewed, "
        "if it is another",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Print what the labels are; record it in a config.yaml if asked to."""
    args = get_parser().parse_args(cmd)
    labels = Labels.read(args.file)
    show(labels.heading)
    if args.train_config is not None:
        config = read_yaml(args.train_config)
        if config.get("label_conf") != labels.as_list():
            write_yaml(args.train_config, {**config, "label_conf": labels.as_list()})


if __name__ == "__main__":
    sys.exit(run(main))
