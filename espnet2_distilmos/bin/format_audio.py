#!/usr/bin/env python3
"""Stage 1: format the audio of data directories as 16 kHz mono."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos format-audio`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos format-audio --data_dirs data/train data/test "
            "--output_dir dump/raw --drop_sets train --min_seconds 0.5 "
            "--max_seconds 15",
            "distilmos format-audio --data_dirs data/test --output_dir dump/raw "
            "--level_db -26 --suffix @-26dB",
        ),
    )
    parser.add_argument(
        "--data_dirs",
        type=takes.path,
        nargs="+",
        required=True,
        help="Data directories, data/SET",
    )
    parser.add_argument(
        "--output_dir",
        type=takes.path,
        required=True,
        help="Each set goes to <output_dir>/<set>",
    )
    parser.add_argument(
        "--drop_sets",
        nargs="*",
        default=[],
        help="Names of the sets from which short and long clips are dropped",
    )
    parser.add_argument(
        "--min_seconds", type=takes.not_negative, help="For --drop_sets"
    )
    parser.add_argument(
        "--max_seconds", type=takes.not_negative, help="For --drop_sets"
    )
    parser.add_argument(
        "--audio_root",
        default="",
        help="Relative paths of wav.scp are relative to this folder",
    )
    parser.add_argument(
        "--level_db",
        type=takes.number,
        help="Give each clip this RMS level over its whole length, in dB re full "
        "scale (a sine of amplitude 1 has -3 dB); peaks over full scale are clipped",
    )
    parser.add_argument(
        "--suffix", default="", help="Put behind the set's name in --output_dir"
    )
    return parser


def main(cmd=None) -> None:
    """Format the audio of every data directory."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.corpora.format_audio import format_audio

    names = {Path(data_dir).name for data_dir in args.data_dirs}
    unknown = sorted(set(args.drop_sets) - names)
    if unknown:
        raise UserError(
            f"--drop_sets {unknown[0]}: none of --data_dirs is called so (there are: "
            f"{' '.join(sorted(names))})"
        )
    for data_dir in map(Path, args.data_dirs):
        drop = data_dir.name in args.drop_sets
        format_audio(
            data_dir,
            Path(args.output_dir) / f"{data_dir.name}{args.suffix}",
            args.min_seconds if drop else None,
            args.max_seconds if drop else None,
            args.audio_root,
            args.level_db,
        )


if __name__ == "__main__":
    sys.exit(run(main))
