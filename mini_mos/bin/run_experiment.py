#!/usr/bin/env python3
"""Do the runs of the experiment that are not done yet; collect their scores.

Called in the folder of the recipe, by local/experiment.sh.
"""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.run_experiment`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.run_experiment --plan_only",
            "python -m mini_mos.bin.run_experiment --phases tune main --nj 4",
        ),
    )
    parser.add_argument("--protocol", default="conf/experiment.yaml")
    parser.add_argument(
        "--phases",
        nargs="+",
        default=["tune", "main", "ablate"],
        help="tune, main, ablate; each needs those before it",
    )
    parser.add_argument(
        "--plan_only",
        action="store_true",
        help="Write plan.tsv, tell the time it takes, and train nothing",
    )
    parser.add_argument("--output_dir", type=takes.path, default="exp/experiment")
    parser.add_argument("--dumpdir", type=takes.path, default="dump/experiment")
    parser.add_argument(
        "--nj",
        type=takes.positive_int,
        default=2,
        help="Runs at once, one thread each",
    )
    parser.add_argument(
        "--ngpu", type=takes.natural, default=0, help="GPUs a run (0 = CPU)"
    )
    parser.add_argument(
        "--local_data_opts", default="", help="Options of local/data.sh, as it was made"
    )
    return parser


def main(cmd=None) -> None:
    """Do the runs that are not done yet, or only tell how long they take."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from mini_mos.experiment.conduct import conduct, plan_of, tell_time
    from mini_mos.experiment.place import Place
    from mini_mos.experiment.protocol import read_protocol

    place = Place(
        recipe=Path("."),
        output=Path(args.output_dir),
        dumpdir=Path(args.dumpdir),
        ngpu=args.ngpu,
        local_data_opts=args.local_data_opts,
    )
    protocol = read_protocol(args.protocol)
    if args.plan_only:
        tell_time(place, protocol, plan_of(place, protocol), args.nj)
    else:
        conduct(place, protocol, args.phases, args.nj)


if __name__ == "__main__":
    sys.exit(
        run(main, needs=["espnet2", "kaldiio", "pesq", "sklearn", "threadpoolctl"])
    )
