#!/usr/bin/env python3
"""Say whether a training is whole, and refuse another one in its folder (stage 5)."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos training-stamp`."""
    parser = argparse.ArgumentParser(
        description="Say whether a training is whole: one line if there is nothing to "
        "do, nothing if it is to begin or to go on, an error if its folder holds "
        "weights of another training.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos training-stamp --output_dir exp/mos_x -- "
            "--config conf/train_distilmos.yaml",
            "distilmos training-stamp --output_dir exp/mos_x --ngpu 2 -- "
            "--config conf/train_distilmos.yaml",
        ),
    )
    parser.add_argument("--ngpu", type=takes.natural, default=0, help="GPUs a node")
    parser.add_argument("--num_nodes", type=takes.positive_int, default=1, help="Nodes")
    parser.add_argument("--host", default="", help="Nodes, as in HOST:0:1,HOST:0:1")
    parser.add_argument(
        "--cpu_nproc", type=takes.positive_int, default=1, help="Processes without GPU"
    )
    parser.add_argument("--output_dir", type=takes.path, required=True, help="exp/NAME")
    parser.add_argument(
        "options", nargs="+", help="After --: the options of distilmos_train"
    )
    return parser


def n_processes(ngpu: int, num_nodes: int, host: str, cpu_nproc: int) -> int:
    """Return the number of processes that ESPnet's launcher will start."""
    if host:
        ids = [name.split(":")[1:] or ["id"] * ngpu for name in host.split(",")]
        return sum(max(len(x), 1) for x in ids)
    return num_nodes * (ngpu if ngpu > 0 else cpu_nproc)


def main(cmd=None) -> None:
    """Print what there is to say of the training, from its record if possible."""
    args = get_parser().parse_args(cmd)
    from espnet2_distilmos.train.quick import whole_at_a_glance
    from espnet2_distilmos.train.record import read_record

    record = read_record(args.output_dir)
    if record is None:
        return
    processes = n_processes(args.ngpu, args.num_nodes, args.host, args.cpu_nproc)
    told = whole_at_a_glance(
        args.output_dir, record, args.options, args.ngpu > 0, processes
    )
    if told is None:
        # Options are parsed as the training does it: this takes about 15 s.
        from espnet2_distilmos.tasks.begin import look

        words = [*args.options, "--ngpu", str(args.ngpu)]
        told = look(words, args.output_dir, processes)
    if told is not None:
        show(told)


if __name__ == "__main__":
    sys.exit(run(main))
