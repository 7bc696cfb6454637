#!/usr/bin/env python3
"""Say whether a training uses tokens: true, or false where token_weight is 0."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos uses-tokens`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos uses-tokens -- --config conf/train_distilmos.yaml",
            "distilmos uses-tokens -- --config conf/train_distilmos.yaml "
            "--loss_conf token_weight=0",
        ),
    )
    parser.add_argument(
        "options", nargs="+", help="After --: the options of distilmos_train"
    )
    return parser


def main(cmd=None) -> None:
    """Read the options and the file of --config, and print the answer."""
    args = get_parser().parse_args(cmd)
    from espnet2_distilmos.train.options import loss_conf_of, uses_tokens

    show(str(uses_tokens(loss_conf_of(args.options))).lower())


if __name__ == "__main__":
    sys.exit(run(main))
