#!/usr/bin/env python3
"""Link a packed model into an experiment's folder (--download_model of the recipe)."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos download-model`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description=__doc__,
        epilog=takes.examples(
            "distilmos download-model --model OWNER/NAME --output_dir exp/mos_theirs",
            "distilmos download-model --model model.zip --output_dir exp/mos_packed",
        ),
    )
    parser.add_argument(
        "--model",
        required=True,
        help="Hub repository, ESPnet model zoo tag, zip or folder",
    )
    parser.add_argument("--output_dir", type=takes.path, required=True, help="exp/NAME")
    return parser


def main(cmd=None) -> None:
    """Find the model, download it if need be, and link its files."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.publish import link_model

    link_model(args.model, args.output_dir)


if __name__ == "__main__":
    sys.exit(run(main))
