"""Options of the commands that probe upstreams on degraded clips."""

import argparse

from espnet2_distilmos.utils import option_types as takes


def add_probe_clip_options(parser: argparse.ArgumentParser) -> None:
    """Add `--versions`, `--seed` and `--nj`: the clips, and how they are made."""
    parser.add_argument(
        "--versions",
        type=takes.positive_int,
        default=3,
        help="Degraded clips a recording",
    )
    parser.add_argument("--seed", type=takes.seed, default=0)
    parser.add_argument(
        "--nj", type=takes.positive_int, default=2, help="Processes that make the clips"
    )
