#!/usr/bin/env python3
"""Stage 3, first half: one k-means a layer, or several that refine each other."""

import argparse
import sys

from espnet2_distilmos.bin.job_options import add_job_options, run_jobs
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos cluster-layers`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos cluster-layers --frames_dir dump/ssl/mini/frames "
            "--output_dir dump/ssl/mini/kmeans_200 --n_clusters 200",
            "distilmos cluster-layers --frames_dir dump/ssl/mini/frames "
            "--output_dir dump/ssl/mini/kmeans_200 --job 1 --nj 4",
        ),
    )
    parser.add_argument(
        "--frames_dir", type=takes.path, required=True, help="Folder of stage 2"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="For the centroids"
    )
    parser.add_argument(
        "--n_clusters",
        type=takes.positive_int,
        default=200,
        help="Clusters a layer (k)",
    )
    parser.add_argument(
        "--n_codebooks",
        type=takes.positive_int,
        default=1,
        help="k-means a layer; each clusters what the one before leaves over",
    )
    parser.add_argument(
        "--standardize_states",
        type=takes.true_or_false,
        default=False,
        help="Bring each channel of a layer to mean 0 and deviation 1 before, over the "
        "frames of stage 2: true or false",
    )
    parser.add_argument("--seed", type=takes.seed, default=0)
    parser.add_argument(
        "--kmeans_backend",
        choices=["sklearn", "faiss"],
        default="sklearn",
        help="MiniBatchKMeans, or faiss for many frames",
    )
    add_job_options(parser)
    return parser


def main(cmd=None) -> None:
    """Cluster the frames of every layer, or of the layers of one job."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.tokens.kmeans import Clustering

    clustering = Clustering(
        args.frames_dir,
        args.output_dir,
        args.n_clusters,
        args.seed,
        args.kmeans_backend,
        args.n_codebooks,
        args.standardize_states,
    )
    run_jobs(clustering, args)


if __name__ == "__main__":
    sys.exit(run(main))
