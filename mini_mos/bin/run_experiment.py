#!/usr/bin/env python3
"""Do the runs of the experiment that are not done yet; collect their scores.

Called in the folder of the recipe, by local/experiment.sh.
"""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show
from mini_mos.bin.experiment_options import (
    add_place_options,
    add_protocol_option,
    place_of,
)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.run_experiment`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.run_experiment --phases weight pilot",
            "python -m mini_mos.bin.run_experiment --phases comparators "
            "--known results/experiment/scores.json --nj 4",
        ),
    )
    add_protocol_option(parser)
    parser.add_argument(
        "--phases",
        nargs="+",
        metavar="PHASE",
        help="Of the protocol's, in this order (default: all)",
    )
    add_place_options(parser)
    parser.add_argument(
        "--known",
        type=takes.path,
        metavar="FILE.json",
        help="Scores of runs that were done elsewhere: those of the same settings, "
        "labels and upstream are not done again",
    )
    parser.add_argument(
        "--corpus_options",
        action="store_true",
        help="Only print the options of local/data.sh that make the corpus",
    )
    parser.add_argument(
        "--nj",
        type=takes.positive_int,
        default=2,
        help="Runs at once, one thread each",
    )
    parser.add_argument(
        "--ngpu", type=takes.natural, default=0, help="GPUs a run (0 = CPU)"
    )
    return parser


def main(cmd=None) -> None:
    """Do the runs that are not done yet."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.results import read_scores
    from mini_mos.experiment.work import conduct

    place = place_of(args, args.ngpu)
    protocol = read_protocol(args.protocol)
    if args.corpus_options:
        show(" ".join(f"--{name} {value}" for name, value in protocol.corpus.items()))
        return
    known = read_scores(args.known) if args.known else None
    conduct(place, protocol, args.phases or list(protocol.phases), args.nj, known)


if __name__ == "__main__":
    sys.exit(run(main, needs=["espnet2", "kaldiio", "sklearn", "threadpoolctl"]))
