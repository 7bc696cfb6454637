#!/usr/bin/env python3
"""Measure how many labels a model's intervals hold, on clips with labels."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import add_model_option
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import counted, show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos coverage`."""
    parser = argparse.ArgumentParser(
        description="Count the labels that lie within a model's intervals (distilmos "
        "conformal), with the 95 % interval of their share over independent clips.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos coverage --model exp/mos_x/valid.srcc.best.pth "
            "--ref_utt2mos dump/raw/test/utt2mos "
            "--hyp_utt2mos exp/mos_x/inference/test/utt2mos",
            "distilmos coverage --interval 0.8 --ref_utt2mos data/test/utt2mos "
            "--hyp_utt2mos scored/utt2mos --utt2sys data/test/utt2sys",
        ),
    )
    add_model_option(parser)
    parser.add_argument(
        "--interval", type=takes.coverage, default=0.9, help="Which of its intervals"
    )
    parser.add_argument("--ref_utt2mos", required=True, help="Labels: `ID MOS`")
    parser.add_argument(
        "--hyp_utt2mos", required=True, help="What the model predicts: `ID MOS`"
    )
    parser.add_argument(
        "--utt2sys", help="Systems (`ID SYSTEM`): also the mean over systems"
    )
    return parser


def main(cmd=None) -> None:
    """Measure the coverage and print it."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.conformal import measure_coverage

    found, half = measure_coverage(
        args.model, args.interval, args.ref_utt2mos, args.hyp_utt2mos, args.utt2sys
    )
    low, high = found.interval()
    mean = found.by_system
    show(
        f"intervals of {100 * args.interval:g} %, {2 * half:.3f} wide: "
        f"{found.n_covered} of {counted(found.n_utt, 'label')} inside, "
        f"{100 * found.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        + ("" if mean is None else f"; mean over systems {100 * mean:.1f} %")
    )


if __name__ == "__main__":
    sys.exit(run(main))
