#!/usr/bin/env python3
"""Compare models on the human ratings and the known orders of tiny_mos."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.judge_tiny_mos`."""
    parser = argparse.ArgumentParser(
        description="Write tables: SRCC on each corpus of human ratings with intervals "
        "over clips and over systems, the first row against the others, and mean "
        "scores of what has a known order. Distill-MOS has a row of its own.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.judge_tiny_mos --output exp/JUDGED.md "
            '--row "zero-shot" exp/mos_predicted/inference/human/utt2mos '
            "exp/mos_predicted/inference/order_noise/utt2mos",
            "python -m mini_mos.bin.judge_tiny_mos --output exp/JUDGED.md "
            '--row "PESQ only" pesq_utt2mos --data_dir data --nj 4',
        ),
    )
    parser.add_argument(
        "--row",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME", "UTT2MOS"),
        help="A row: its name, and files of its scores; may be given again",
    )
    parser.add_argument("--data_dir", type=takes.path, default="data", help="Its sets")
    parser.add_argument(
        "--audio_dir",
        type=takes.path,
        default="downloads/tiny_mos",
        help="Scores of Distill-MOS are kept there",
    )
    parser.add_argument(
        "--output", type=takes.path, required=True, help="Markdown file to write"
    )
    parser.add_argument("--nj", type=takes.positive_int, default=2, help="Processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Read the scores, and write the tables."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if any(len(row) < 2 for row in args.row):
        parser.error("--row: a name and one file or more are expected")
    set_up_logging()
    from espnet2_distilmos.utils.datadir import DataDir, read_floats
    from espnet2_distilmos.utils.files import write_text
    from espnet2_distilmos.utils.terminal import show
    from mini_mos.tiny_mos.judge import (
        ORDERS,
        human_table,
        order_table,
        paired_table,
    )
    from mini_mos.tiny_mos.teacher import NAME, teacher_scores

    rows: Dict[str, Dict[str, float]] = {}
    for name, *files in args.row:
        rows[name] = {u: s for file in files for u, s in read_floats(file).items()}
    root = Path(args.data_dir)
    sets = {name: DataDir.load(root / name) for name in ("human", *ORDERS)}
    heard: Dict[str, float] = {}
    for name, data in sets.items():
        folder = Path(args.audio_dir) / f"{NAME}_{name}"
        heard.update(teacher_scores(data.wavs, folder, args.nj))
    rows["Distill-MOS"] = heard
    human = sets["human"]
    text = (
        "Utterance SRCC with human ratings, 95 % intervals over clips\n\n"
        f"{human_table(human, rows)}\n"
        "The same, intervals over systems (conditions)\n\n"
        f"{human_table(human, rows, 'systems')}\n"
        "Differences in SRCC, paired over clips\n\n"
        f"{paired_table(human, rows, next(iter(rows)))}\n"
        "Known orders: mean scores, and the share of neighbouring pairs in order\n\n"
        f"{order_table(sets, rows)}"
    )
    write_text(args.output, text)
    show(text)


if __name__ == "__main__":
    sys.exit(run(main))
