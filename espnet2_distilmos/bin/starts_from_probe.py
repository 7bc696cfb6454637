#!/usr/bin/env python3
"""Say whether a training is to be given a linear probe of its upstream: true or false.

It is where predictor_conf has `readout: statistics` and no init_param holds a readout
(FILE:::network.predictor.readout leaves it out). The lines after `true` are these
init_param, to which the probe is added.
"""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos starts-from-probe`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos starts-from-probe -- "
            "--config conf/tuning/train_distilmos_whisper_tiny.yaml",
            "distilmos starts-from-probe -- --config conf/train_distilmos.yaml "
            "--predictor_conf readout=statistics",
        ),
    )
    parser.add_argument(
        "options", nargs="+", help="After --: the options of distilmos_train"
    )
    return parser


def main(cmd=None) -> None:
    """Read the options and the file of --config, and print the answer."""
    args = get_parser().parse_args(cmd)
    from espnet2_distilmos.train.options import options_of, starts_from_probe

    options = options_of(args.options)
    starts = starts_from_probe(options)
    show(str(starts).lower())
    if starts:
        for spec in options.init_param:
            show(str(spec))


if __name__ == "__main__":
    sys.exit(run(main))
