#!/usr/bin/env python3
"""One iteration of pretraining: learn the targets, then masked prediction."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.bin.upstream_options import add_device_options, choose_device
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.pretrain`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.pretrain "
            "--pretrain_config conf/pretrain_mini.yaml --corpus_dir data/ssl "
            "--output_dir exp/pretrain_mini_it1 --iteration 1",
            "python -m mini_mos.bin.pretrain "
            "--pretrain_config conf/pretrain_mini.yaml --corpus_dir data/ssl "
            "--output_dir exp/pretrain_mini_it2 --iteration 2 "
            "--previous exp/pretrain_mini_it1/model.pt --ngpu 1",
        ),
    )
    parser.add_argument(
        "--pretrain_config", required=True, help="As conf/pretrain_mini.yaml"
    )
    parser.add_argument("--corpus_dir", required=True, help="Folder of stage 1")
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="Of this iteration"
    )
    parser.add_argument(
        "--iteration", type=takes.positive_int, required=True, help="From 1"
    )
    parser.add_argument(
        "--previous", help="model.pt of the iteration before: weights and targets"
    )
    add_device_options(parser)
    return parser


def main(cmd=None) -> None:
    """Learn the targets, then train one iteration."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.targets import learn_targets
    from mini_mos.pretrain.trainer import train_iteration

    device = choose_device(args)
    config = read_config(args.pretrain_config)
    targets = Path(args.output_dir) / "targets.pt"
    learn_targets(args.corpus_dir, config, targets, args.previous)
    train_iteration(
        args.corpus_dir,
        targets,
        config,
        args.iteration,
        args.output_dir,
        args.previous,
        device,
    )


if __name__ == "__main__":
    sys.exit(run(main, needs=["pesq", "sklearn", "threadpoolctl"]))
