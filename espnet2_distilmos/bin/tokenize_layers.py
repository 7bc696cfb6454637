#!/usr/bin/env python3
"""Stage 3, second half: tokens of all layers for every frame."""

import argparse
import sys

from espnet2_distilmos.bin.job_options import run_jobs
from espnet2_distilmos.bin.upstream_options import add_pass_options, pass_arguments
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos tokenize-layers`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos tokenize-layers --kmeans_dir dump/ssl/mini/kmeans_200 "
            "--data_dirs dump/raw/train dump/raw/valid "
            "--upstream_config conf/upstream/mini.yaml",
            "distilmos tokenize-layers --kmeans_dir dump/ssl/mini/kmeans_200 "
            "--data_dirs dump/raw/train --upstream_config conf/upstream/mini.yaml "
            "--ngpu 1 --job 2 --nj 8",
        ),
    )
    parser.add_argument(
        "--kmeans_dir",
        type=takes.path,
        required=True,
        help="Centroids; the tokens go there too",
    )
    parser.add_argument(
        "--data_dirs",
        type=takes.path,
        nargs="+",
        required=True,
        help="Formatted sets to label",
    )
    add_pass_options(parser)
    return parser


def main(cmd=None) -> None:
    """Label every frame of the sets, or the part of one job."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.tokens.labels import Labelling

    labelling = Labelling(
        args.data_dirs, kmeans_dir=args.kmeans_dir, **pass_arguments(args)
    )
    run_jobs(labelling, args)


if __name__ == "__main__":
    sys.exit(run(main))
