#!/usr/bin/env python3
"""Stage 3: one k-means a layer, then tokens of all layers for every frame."""

import argparse
import sys

from espnet2_distilmos.bin.upstream_options import (
    add_upstream_options,
    choose_device,
    read_upstream,
)
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--frames_dir", required=True, help="Folder of stage 2")
    parser.add_argument("--output_dir", required=True, help="Centroids and tokens")
    parser.add_argument(
        "--data_dirs", nargs="+", required=True, help="Formatted sets to label"
    )
    parser.add_argument("--n_clusters", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nj", type=int, default=1, help="Processes of the k-means")
    add_upstream_options(parser)
    return parser


def main(cmd=None) -> None:
    """Parse the options, cluster and label."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.tokens.kmeans import train_kmeans
    from espnet2_distilmos.tokens.labels import write_tokens

    train_kmeans(
        args.frames_dir, args.output_dir, args.n_clusters, args.seed, nj=args.nj
    )
    write_tokens(
        args.data_dirs,
        read_upstream(args),
        args.output_dir,
        device=choose_device(args),
    )


if __name__ == "__main__":
    sys.exit(run(main))
