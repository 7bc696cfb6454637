#!/usr/bin/env python3
"""Say what a model is: engine, upstream, layers, training, labels, licence."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import add_model_option
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import one_line, show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos info`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description=__doc__,
        epilog=takes.examples(
            "distilmos info",
            "distilmos info --model exp/mos_x/valid.srcc.best.pth",
        ),
    )
    add_model_option(parser)
    return parser


def main(cmd=None) -> None:
    """Print what a model is, one line a fact."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.about import describe
    from espnet2_distilmos.packs.embedded import figures
    from espnet2_distilmos.packs.locate import is_default

    shown = describe(args.model)
    width = max(map(len, shown))
    for name, text in shown.items():
        show(f"{name:{width}}  {one_line(text)}")
    if is_default(args.model):
        for line in figures():
            show(line)


if __name__ == "__main__":
    sys.exit(run(main))
