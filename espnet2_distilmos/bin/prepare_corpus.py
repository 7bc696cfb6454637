#!/usr/bin/env python3
"""Write the data directories of a published corpus."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.corpora.prepare import READERS, prepare_corpus
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos prepare-corpus`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos prepare-corpus --corpus bvcc --corpus_dir downloads/BVCC",
            "distilmos prepare-corpus --corpus somos --corpus_dir downloads/somos "
            "--subset full --listeners true --data_dir data",
            "distilmos prepare-corpus --corpus codec_mushra --corpus_dir "
            "downloads/bernoulli-var-speech-codec --listeners true",
        ),
    )
    parser.add_argument("--corpus", required=True, choices=READERS, help="Its name")
    parser.add_argument(
        "--corpus_dir", type=takes.path, required=True, help="Folder of the corpus"
    )
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Parent of the data dirs"
    )
    parser.add_argument(
        "--strict",
        type=takes.true_or_false,
        default=False,
        help="true: other counts than published are an error, not a warning",
    )
    # Not every corpus has them: what is not given is left to its reader.
    some = parser.add_argument_group("options of some corpora")
    some.add_argument(
        "--listeners",
        type=takes.true_or_false,
        default=argparse.SUPPRESS,
        help="bc19, bvcc, codec_mushra, somos: true: write the ratings of single "
        "listeners too, utt2ratings",
    )
    some.add_argument(
        "--subset",
        choices=("clean", "full"),
        default=argparse.SUPPRESS,
        help="somos: labels of trustworthy listeners (default), or of all",
    )
    some.add_argument(
        "--seed",
        type=takes.seed,
        default=argparse.SUPPRESS,
        help="tmhint_qi: of the validation set (default: 0)",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Read the corpus that is named and write its data directories."""
    args = vars(get_parser().parse_args(cmd))
    set_up_logging()
    prepare_corpus(args.pop("corpus"), **args)


if __name__ == "__main__":
    sys.exit(run(main))
