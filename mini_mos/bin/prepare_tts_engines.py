#!/usr/bin/env python3
"""Let the TTS engines of Debian speak, into decode folders as tts.sh leaves them."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.prepare_tts_engines`."""
    parser = argparse.ArgumentParser(
        description="Fetch TTS engines and human prompts from Debian or Ubuntu (no "
        "root needed) and write OUTPUT_DIR/ENGINE/VOICE/sentences/wav/.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.prepare_tts_engines --text local/text",
            "python -m mini_mos.bin.prepare_tts_engines --text local/text "
            "--output_dir exp --seed 1",
        ),
    )
    parser.add_argument("--text", required=True, help="`ID SENTENCE` lines")
    parser.add_argument(
        "--output_dir", type=takes.path, default="exp", help="For the decode folders"
    )
    parser.add_argument("--download_dir", default="downloads", help="Packages")
    parser.add_argument(
        "--seed", type=takes.seed, default=0, help="Picks the human prompts"
    )
    return parser


def main(cmd=None) -> None:
    """Fetch the engines and the prompts, and write the decode folders."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.tts_engines.prepare import prepare_tts_engines

    prepare_tts_engines(args.text, args.output_dir, args.download_dir, args.seed)


if __name__ == "__main__":
    sys.exit(run(main))
