#!/usr/bin/env python3
"""Tables and plots of the experiment from its saved scores, without any training."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


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
            "--forgetting results/experiment/forgetting.json "
            "--features results/experiment/features.json --output_dir doc/experiment",
        ),
    )
    parser.add_argument("--protocol", default="conf/experiment.yaml")
    parser.add_argument(
        "--scores",
        default="exp/experiment/scores.json",
        help="What run-experiment has gathered",
    )
    parser.add_argument(
        "--forgetting", help="forgetting.json of measure_forgetting, if it is there"
    )
    parser.add_argument(
        "--features", help="features.json of compare_features, if it is there"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="report.md and plots"
    )
    parser.add_argument(
        "--shipped_dir",
        type=takes.path,
        metavar="DIR",
        help="Also write predictions of the compared models, for distilmos.sh "
        "--shipped_rows DIR",
    )
    return parser


def main(cmd=None) -> None:
    """Write the page and its plots, and print it."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.report import write_report
    from mini_mos.experiment.results import read_results, read_scores_file
    from mini_mos.experiment.tables import SPECTRAL

    forgetting = features = None
    if args.forgetting is not None:
        what = "what measure_forgetting writes"
        forgetting = read_results(args.forgetting, what, ["models"])["models"]
    if args.features is not None:
        what = "what compare_features writes"
        features = read_results(args.features, what, [SPECTRAL])
    scores, protocol = read_scores_file(args.scores), read_protocol(args.protocol)
    if args.shipped_dir is not None:
        from mini_mos.experiment.ship import ship_rows

        ship_rows(scores, protocol, args.shipped_dir)
    show(write_report(scores, protocol, args.output_dir, forgetting, features))


if __name__ == "__main__":
    sys.exit(run(main))
