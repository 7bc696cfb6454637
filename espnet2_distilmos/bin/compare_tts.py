#!/usr/bin/env python3
"""A table over several decode folders that have been scored."""

import argparse
import sys

from espnet2_distilmos.page.options import add_page_options, check_page_options
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos compare-tts`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Show the mean MOS of decode folders, with its 95 % interval, one "
        "row a model, checkpoint and set, in the given order.",
        epilog=takes.examples(
            "distilmos compare-tts exp/tts_train_vits",
            "distilmos compare-tts exp/tts_a exp/tts_b --format markdown "
            "--output table.md",
            "distilmos compare-tts exp/tts_a/*/dev --report report.html",
        ),
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="utt2pmos, its folder, a decoded set, or any folder above",
    )
    parser.add_argument(
        "--output", type=takes.path, metavar="FILE", help="Default, and with -: stdout"
    )
    parser.add_argument(
        "--format", default="text", choices=("text", "markdown"), help="Of the table"
    )
    add_page_options(parser)
    return parser


def main(cmd=None) -> None:
    """Write or print a table of decode folders that are scored."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    check_page_options(parser, args)
    set_up_logging()
    from espnet2_distilmos.tts.compare import table
    from espnet2_distilmos.tts.decoded import load_decoded
    from espnet2_distilmos.utils.files import STDOUT, require_output, write_text

    if args.output == STDOUT:
        args.output = None
    folders = load_decoded(args.paths)
    read = [*args.paths, *(file for folder in folders for file in folder.files)]
    if args.output is not None:
        require_output(args.output, *read)
    if args.report is not None:
        require_output(args.report, *read, outputs=[args.output])
    text = table(folders, args.format)
    if args.report is not None:
        from espnet2_distilmos.tts.page import write_decoded_page

        write_decoded_page(args.report, folders, args.embed_audio)
    if args.output is not None:
        write_text(args.output, text)
    else:
        show(text, end="")


if __name__ == "__main__":
    sys.exit(run(main))
