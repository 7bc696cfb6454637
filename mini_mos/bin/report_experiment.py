#!/usr/bin/env python3
"""Tables and plots of the experiment from its saved scores, without any training."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show
from mini_mos.bin.experiment_options import add_protocol_option


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.report_experiment`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.report_experiment "
            "--output_dir exp/experiment/report",
            "python -m mini_mos.bin.report_experiment "
            "--scores results/experiment/scores.json "
            "--forgetting results/experiment/forgetting_development.json "
            "--output_dir results/experiment",
        ),
    )
    add_protocol_option(parser)
    parser.add_argument(
        "--scores",
        default="exp/experiment/scores.json",
        help="What run_experiment has gathered",
    )
    parser.add_argument(
        "--forgetting",
        nargs="+",
        default=[],
        metavar="FILE.json",
        help="What measure_forgetting has written, of one part or of both",
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="report.md and plots"
    )
    return parser


def main(cmd=None) -> None:
    """Write the page and its plots, and print it."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.forgetting import mean_of_seeds
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.report import write_report
    from mini_mos.experiment.results import read_results, read_scores

    forgetting = {}
    for file in args.forgetting:
        what = "what measure_forgetting writes"
        found = read_results(file, what, ["part", "models"])
        forgetting[found["part"]] = mean_of_seeds(found["models"])
    scores, protocol = read_scores(args.scores), read_protocol(args.protocol)
    show(write_report(scores, protocol, args.output_dir, forgetting))


if __name__ == "__main__":
    sys.exit(run(main, needs=["scipy"]))
