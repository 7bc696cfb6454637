"""Options that the commands of the experiment share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from espnet2_distilmos.utils import option_types as takes

if TYPE_CHECKING:
    from mini_mos.experiment.place import Place


def add_protocol_option(parser: argparse.ArgumentParser) -> None:
    """Add `--protocol`."""
    parser.add_argument("--protocol", default="conf/experiment.yaml")


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data_dir`."""
    parser.add_argument(
        "--data_dir",
        type=takes.path,
        default="data/experiment",
        help="Data directories of the experiment's corpus",
    )


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the experiment lies."""
    parser.add_argument("--expdir", type=takes.path, default="exp/experiment")
    parser.add_argument("--dumpdir", type=takes.path, default="dump/experiment")
    add_data_option(parser)


def place_of(args: argparse.Namespace, ngpu: int = 0) -> "Place":
    """Return what :func:`add_place_options` has read."""
    from mini_mos.experiment.place import Place

    return Place(Path(args.expdir), Path(args.dumpdir), Path(args.data_dir), ngpu=ngpu)
