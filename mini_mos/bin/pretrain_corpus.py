#!/usr/bin/env python3
"""Speech for pretraining: fetched, checked against the exclusion list, degraded."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.pretrain_corpus`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.pretrain_corpus "
            "--pretrain_config conf/pretrain_mini.yaml --output_dir data/ssl",
            "python -m mini_mos.bin.pretrain_corpus "
            "--pretrain_config conf/pretrain_mini.yaml --speech_dir my_speech "
            "--output_dir data/ssl --nj 4",
        ),
    )
    parser.add_argument(
        "--pretrain_config", required=True, help="As conf/pretrain_mini.yaml"
    )
    parser.add_argument(
        "--speech_dir",
        default="downloads/speech",
        help="Clean speech: mini_mos/SPEAKER/... (the prompts of that corpus) and "
        "more/COLLECTION/SPEAKER/...; a part that is missing comes from Debian",
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Corpus to write"
    )
    parser.add_argument(
        "--nj", type=takes.positive_int, default=2, help="Processes; changes no result"
    )
    return parser


def main(cmd=None) -> None:
    """Fetch the speech that is missing, and write the degraded corpus."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.corpus import prepare_corpus
    from mini_mos.pretrain.sources import fetch_speech, find_sources

    config = read_config(args.pretrain_config)
    packages = fetch_speech(Path(args.speech_dir))
    speech = find_sources(Path(args.speech_dir))
    prepare_corpus(
        args.output_dir, speech, packages, config.corpus, config.seed, args.nj
    )


if __name__ == "__main__":
    sys.exit(run(main, needs=["pesq", "sklearn", "threadpoolctl"]))
