#!/usr/bin/env python3
"""Make tiny_mos, the corpus of the model in the wheel."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging

# Recipes whose corpora are human-rated and open, and whose set `all` is used.
HUMAN = ("p835", "codec_mushra")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.prepare_tiny_mos`."""
    parser = argparse.ArgumentParser(
        description="Make degraded and synthetic speech and label it with Distill-MOS "
        "and PESQ; read human ratings where their corpora are given. Run it again "
        "after an interruption; it goes on where it was.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.prepare_tiny_mos --nj 4",
            "python -m mini_mos.bin.prepare_tiny_mos --p835 downloads/P.808 "
            "--codec_mushra downloads/bernoulli-var-speech-codec",
        ),
    )
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Parent of the data dirs"
    )
    parser.add_argument(
        "--audio_dir",
        type=takes.path,
        default="downloads/tiny_mos",
        help="Audio, packages, scores of the teacher",
    )
    for name in HUMAN:
        parser.add_argument(
            f"--{name}", default="", help=f"The corpus of the recipe {name}, or nothing"
        )
    parser.add_argument(
        "--recipes_dir",
        type=takes.path,
        default="../..",
        help="Folder with these recipes, whose local/labels.yaml say what they are",
    )
    parser.add_argument(
        "--speech_dir",
        help="Folder of clean speech, one folder a speaker; without it the Asterisk "
        "prompts of Debian are downloaded with apt-get",
    )
    parser.add_argument("--n_train", type=takes.positive_int, help="Degraded clips")
    parser.add_argument("--seed", type=takes.seed, default=0, help="Of all draws")
    parser.add_argument("--nj", type=takes.positive_int, default=2, help="Processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Make the corpus."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.tiny_mos.prepare import TinySizes, prepare_tiny_mos

    human = {n: Path(getattr(args, n)) for n in HUMAN if getattr(args, n)}
    labels = {
        n: Path(args.recipes_dir) / n / "distilmos1/local/labels.yaml" for n in human
    }
    sizes = TinySizes() if args.n_train is None else TinySizes(train=args.n_train)
    prepare_tiny_mos(
        args.data_dir,
        args.audio_dir,
        human,
        labels,
        args.speech_dir,
        sizes,
        args.seed,
        args.nj,
    )


if __name__ == "__main__":
    sys.exit(run(main))
