#!/usr/bin/env python3
"""Write RESULTS.md from the scores of one or more experiments."""

import argparse
import sys
from collections.abc import Sequence
from typing import Optional

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos results`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Write RESULTS.md: environment and one table a test set. "
        "The tables are printed, too.",
        epilog=takes.examples(
            "distilmos results --exp exp/mos_x --output RESULTS.md",
            "distilmos results --exp exp/mos_a exp/mos_b "
            "--reference exp/reference_rows --labels dump/raw "
            "--sets test somos/test --output exp/RESULTS.md",
        ),
    )
    parser.add_argument(
        "--exp",
        type=takes.path,
        dest="exps",
        nargs="+",
        required=True,
        metavar="DIR",
        help="Experiments, each with <inference_tag>/<set>/scores.json",
    )
    parser.add_argument(
        "--reference",
        metavar="DIR",
        help="Rows that are no models of ours: <row>/<set>/scores.json, <row>/NOTE.txt",
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        metavar="SET",
        help="Test sets to show, in this order (default: all, by name)",
    )
    parser.add_argument(
        "--set_notes",
        metavar="FILE",
        help="YAML, `set: note`; the note is printed under the set's heading",
    )
    parser.add_argument(
        "--labels",
        metavar="DIR",
        help="Folder with <set>/utt2mos and perhaps <set>/labels.yaml: for each model "
        "and set a sentence says whether it is better than the reference row "
        "`constant`, and headings say what the labels are",
    )
    parser.add_argument(
        "--label_kind",
        help='What the labels are, e.g. "objective: PESQ MOS-LQO, not human ratings" '
        "(default: what stands beside the first of --sets in --labels)",
    )
    parser.add_argument(
        "--out_of_domain",
        nargs="+",
        action="append",
        default=[],
        metavar=("SET", "LABELS"),
        help="A set of another corpus and what its labels are (default: what stands "
        "beside it in --labels); once a set",
    )
    parser.add_argument(
        "--reached",
        type=takes.path,
        metavar="DIR",
        help="End with three lines on these predictions, EXP/INFERENCE_TAG: what was "
        "reached, what the reference rows reach, where to look next",
    )
    parser.add_argument("--title", default="RESULTS", help="Heading of the page")
    parser.add_argument("--date", help="Date to write (default: now)")
    parser.add_argument(
        "--output", type=takes.path, required=True, help="RESULTS.md to write"
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Gather the scores, write the page and print its tables."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    set_up_logging()
    # Here, since they load scipy.
    from espnet2_distilmos.report.results import write_results
    from espnet2_distilmos.report.sets import label_kind

    if any(len(given) > 2 for given in args.out_of_domain):
        parser.error("--out_of_domain: a set and what its labels are were expected")
    args.out_of_domain = {
        name: kind[0] if kind else label_kind(args.labels, name)
        for name, *kind in args.out_of_domain
    }
    if args.label_kind is None:
        own = [name for name in args.sets or [] if "/" not in name]
        args.label_kind = label_kind(args.labels, own[0]) if own else ""
    reached = args.reached
    del args.reached
    show(write_results(**vars(args)), end="")
    if reached is not None:
        from espnet2_distilmos.report.reached import three_lines

        lines = three_lines(reached, args.sets, args.reference, args.output)
        show("\n".join(["", *lines]))


if __name__ == "__main__":
    sys.exit(run(main))
