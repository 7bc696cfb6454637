#!/usr/bin/env python3
"""Say in one line why a job failed, from its log, and show how the log ends."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.failure import last_lines, why_failed
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos why-failed`."""
    parser = argparse.ArgumentParser(
        description="Print one line on why a job failed; how its log ends goes to "
        "stderr before it.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos why-failed --log exp/mos_x/train.log",
            "distilmos why-failed --log dump/ssl/mini/log/dump.1.log --code 137",
        ),
    )
    parser.add_argument("--log", required=True, help="Of the job")
    parser.add_argument("--code", type=takes.natural, help="Exit code of its launcher")
    return parser


def main(cmd=None) -> None:
    """Print how the log ends, to stderr, and the reason in a line."""
    args = get_parser().parse_args(cmd)
    for line in last_lines(args.log):
        show(f"  {line}", sys.stderr)
    show(why_failed(args.log, args.code))


if __name__ == "__main__":
    sys.exit(run(main))
