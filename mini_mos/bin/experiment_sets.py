#!/usr/bin/env python3
"""Training subsets and development sets of the experiment."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.experiment_sets`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.experiment_sets --dev_data_dir data/development "
            "--dev_audio_dir downloads/mini_mos_development",
            "python -m mini_mos.bin.experiment_sets --protocol plan.yaml "
            "--data_dir data --dev_data_dir data/development "
            "--dev_audio_dir downloads/mini_mos_development",
        ),
    )
    parser.add_argument("--protocol", default="conf/experiment.yaml")
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Of the recipe"
    )
    parser.add_argument(
        "--audio_dir",
        type=takes.path,
        default="downloads/mini_mos",
        help="With its systems.yaml",
    )
    parser.add_argument(
        "--dev_data_dir", required=True, help="The same corpus with more valid clips"
    )
    parser.add_argument("--dev_audio_dir", required=True, help="With its systems.yaml")
    return parser


def main(cmd=None) -> None:
    """Write the training subsets and the development sets."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.sets import make_sets

    make_sets(
        read_protocol(args.protocol),
        args.data_dir,
        args.dev_data_dir,
        f"{args.audio_dir}/systems.yaml",
        f"{args.dev_audio_dir}/systems.yaml",
    )


if __name__ == "__main__":
    sys.exit(run(main))
