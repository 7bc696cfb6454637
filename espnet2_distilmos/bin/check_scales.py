#!/usr/bin/env python3
"""Check the names of further scales, and that sets have labels on them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.values import to_scale_names


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos check-scales`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            'distilmos check-scales --scales "SIG BAK"',
            'distilmos check-scales --scales "SIG BAK" '
            "--data_dirs dump/raw/train dump/raw/valid",
        ),
    )
    parser.add_argument(
        "--scales", required=True, help="Names with blanks between, as of run.sh"
    )
    parser.add_argument(
        "--data_dirs",
        nargs="+",
        type=takes.path,
        default=[],
        help="Sets, of which each needs a label on each scale (utt2scores)",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Check the names, then the sets; nothing is printed where all is well."""
    args = get_parser().parse_args(cmd)
    try:
        scales = to_scale_names(args.scales.split())
    except ValueError as e:
        raise UserError(f"--scales {args.scales!r}: {e}") from e
    from espnet2_distilmos.utils.scales import labels_on

    for folder in args.data_dirs:
        labels_on(Path(folder) / "utt2scores", scales)


if __name__ == "__main__":
    sys.exit(run(main))
