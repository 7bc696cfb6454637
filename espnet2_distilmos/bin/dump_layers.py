#!/usr/bin/env python3
"""Stage 2: a sample of frames of every layer of the frozen upstream."""

import argparse
import sys

from espnet2_distilmos.bin.job_options import run_jobs
from espnet2_distilmos.bin.upstream_options import add_pass_options, pass_arguments
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos dump-layers`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos dump-layers --data_dir dump/raw/train "
            "--upstream_config conf/upstream/mini.yaml "
            "--output_dir dump/ssl/mini/frames",
            "distilmos dump-layers --data_dir dump/raw/train "
            "--upstream_config conf/upstream/wavlm_base.yaml "
            "--output_dir dump/ssl/wavlm_base/frames --ngpu 1 --max_frames 500000",
        ),
    )
    parser.add_argument(
        "--data_dir", type=takes.path, required=True, help="Formatted training set"
    )
    parser.add_argument(
        "--more_data_dirs",
        nargs="*",
        type=takes.path,
        default=[],
        help="Further formatted sets of which frames are kept, in the same share",
    )
    parser.add_argument("--output_dir", type=takes.path, required=True)
    parser.add_argument(
        "--max_frames",
        type=takes.positive_int,
        default=200_000,
        help="Frames to keep a layer",
    )
    parser.add_argument("--seed", type=takes.seed, default=0)
    add_pass_options(parser)
    return parser


def main(cmd=None) -> None:
    """Keep a sample of frames of every layer of the upstream."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.tokens.frames import FrameDump

    dump = FrameDump(
        args.data_dir,
        output_dir=args.output_dir,
        max_frames=args.max_frames,
        seed=args.seed,
        more_data_dirs=args.more_data_dirs,
        **pass_arguments(args),
    )
    run_jobs(dump, args)


if __name__ == "__main__":
    sys.exit(run(main))
