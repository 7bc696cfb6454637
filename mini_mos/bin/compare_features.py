#!/usr/bin/env python3
"""Trees on frozen features, on the development sets of the experiment."""

import argparse
import logging
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.compare_features`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.compare_features "
            "--output exp/experiment/features.json",
            "python -m mini_mos.bin.compare_features "
            "--upstreams conf/upstream/mini.yaml --nj 4 --output features.json",
        ),
    )
    parser.add_argument(
        "--upstreams",
        nargs="+",
        metavar="FILE",
        default=["conf/upstream/mini.yaml", "conf/upstream/mini_random.yaml"],
        help="The first one's layers are also joined with the spectral statistics",
    )
    parser.add_argument(
        "--raw_dir",
        type=takes.path,
        default="dump/experiment/tune_train/raw",
        help="Formatted audio of the development sets",
    )
    parser.add_argument("--seed", type=takes.seed, default=0)
    parser.add_argument(
        "--nj", type=takes.positive_int, default=2, help="Threads of the trees"
    )
    parser.add_argument(
        "--output", type=takes.path, required=True, help="features.json"
    )
    return parser


def main(cmd=None) -> None:
    """Train the trees on every kind of features and write their figures."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.utils.datadir import DataDir
    from espnet2_distilmos.utils.files import write_json
    from mini_mos.experiment.features import compare_features
    from mini_mos.experiment.plan import DEV_SETS, TUNE_TRAIN, TUNE_VALID

    upstreams = {
        Path(path).stem: UpstreamConfig.from_file(path) for path in args.upstreams
    }
    raw = Path(args.raw_dir)
    tests = {name: DataDir.load(raw / name) for name in (TUNE_VALID, *DEV_SETS)}
    train = DataDir.load(raw / TUNE_TRAIN)
    found = compare_features(upstreams, train, tests, args.nj, args.seed)
    for name, values in found.items():
        logging.info(f"{name}: {values}")
    write_json(args.output, found)


if __name__ == "__main__":
    sys.exit(run(main, needs=["sklearn", "threadpoolctl"]))
