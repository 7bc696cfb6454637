#!/usr/bin/env python3
"""Development sets and the final validation set of the experiment."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from mini_mos.bin.experiment_options import (
    add_data_option,
    add_protocol_option,
)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.experiment_sets`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.experiment_sets",
            "python -m mini_mos.bin.experiment_sets --protocol plan.yaml "
            "--data_dir data/other --audio_dir downloads/other",
        ),
    )
    add_protocol_option(parser)
    add_data_option(parser)
    parser.add_argument(
        "--audio_dir",
        type=takes.path,
        default="downloads/experiment",
        help="With its systems.yaml",
    )
    return parser


def main(cmd=None) -> None:
    """Write the sets."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.sets import make_sets

    protocol = read_protocol(args.protocol)
    systems = Path(args.audio_dir) / "systems.yaml"
    make_sets(protocol.development, args.data_dir, systems)


if __name__ == "__main__":
    sys.exit(run(main))
