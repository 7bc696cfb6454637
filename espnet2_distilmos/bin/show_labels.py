#!/usr/bin/env python3
"""Say what the labels of a set are, in a line for a heading."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.labels import Labels


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="labels.yaml")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Read and print."""
    print(Labels.read(get_parser().parse_args(cmd).file).heading)


if __name__ == "__main__":
    sys.exit(run(main))
