#!/usr/bin/env python3
"""Make the mini_mos corpus: degraded speech with objective labels (PESQ)."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging

# The fields of `mini_mos.corpus.prepare.Sizes`, here without loading codecs and PESQ.
SIZES = {
    "train": (1300, "training clips"),
    "valid": (150, "validation clips"),
    "test": (300, "clips of unseen prompts"),
    "test_speaker": (240, "clips of unheard speakers"),
    "test_system": (240, "clips of unheard families of degradations"),
    "systems": (60, "systems in all; a quarter of them for test_system"),
    "held_out_systems": (0, "systems for test_system in place of that quarter, if > 0"),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.prepare_mini_mos`."""
    parser = argparse.ArgumentParser(
        description="Degrade clean speech by known systems and label each clip with "
        "wideband PESQ MOS-LQO against the original: objective labels, not human "
        "ratings. Run it again after an interruption; it goes on where it was.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.prepare_mini_mos",
            "python -m mini_mos.bin.prepare_mini_mos --speech_dir my_speech "
            "--n_train 300 --data_dir data --nj 4",
        ),
    )
    parser.add_argument(
        "--speech_dir",
        help="Folder of clean speech (wav, flac, ogg, g722; one folder a speaker); "
        "without it the Asterisk prompts of Debian are downloaded with apt-get",
    )
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Parent of the data dirs"
    )
    parser.add_argument(
        "--audio_dir",
        type=takes.path,
        default="downloads/mini_mos",
        help="Audio, tables, provenance",
    )
    for name, (number, what) in SIZES.items():
        help_text = f"Number of {what}"
        parser.add_argument(f"--n_{name}", type=int, default=number, help=help_text)
    parser.add_argument(
        "--clean_sets",
        nargs="*",
        default=[],
        help="Sets of undegraded recordings to write besides: clean has those of "
        "train, clean_SET those of SET, any set of clips of this corpus in data_dir",
    )
    parser.add_argument(
        "--seed", type=takes.seed, default=0, help="Another seed, other clips"
    )
    parser.add_argument(
        "--nj", type=takes.positive_int, default=2, help="Processes; changes no result"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Make the corpus and the sets of undegraded recordings that are asked for."""
    set_up_logging()
    args = get_parser().parse_args(cmd)
    from mini_mos.corpus.clean import write_clean_set
    from mini_mos.corpus.prepare import Sizes, prepare_mini_mos

    sizes = Sizes(**{name: getattr(args, f"n_{name}") for name in SIZES})
    prepare_mini_mos(
        args.data_dir, args.audio_dir, args.speech_dir, sizes, args.seed, args.nj
    )
    for name in args.clean_sets:
        write_clean_set(name, args.data_dir, args.audio_dir, args.speech_dir)


if __name__ == "__main__":
    sys.exit(run(main, needs=["pesq", "sklearn", "threadpoolctl"]))
