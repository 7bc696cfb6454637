#!/usr/bin/env python3
"""Stage 7: a trained model as a zip that loads anywhere."""

import argparse
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.label_info import KINDS
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos pack-model`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description=__doc__,
        epilog=takes.examples(
            "distilmos pack-model --train_config exp/mos_x/config.yaml "
            "--model_file exp/mos_x/valid.srcc.best.pth --output model.zip "
            "--scores exp/mos_x/inference_valid.srcc.best --labels dump/raw",
            "distilmos pack-model --train_config config.yaml --model_file model.pth "
            "--output model.zip --licence CC-BY-4.0 --corpus bvcc "
            "--label_kind human --label_name MOS",
        ),
    )
    parser.add_argument("--train_config", required=True, help="exp/.../config.yaml")
    parser.add_argument("--model_file", required=True, help="The checkpoint to pack")
    parser.add_argument("--output", type=takes.path, required=True, help="Zip to write")
    parser.add_argument("--results", help="RESULTS.md to put in, if there")
    parser.add_argument(
        "--scores",
        metavar="DIR",
        help="Folder with <set>/scores.json to put in, if there: results of the card",
    )
    parser.add_argument(
        "--labels",
        metavar="DIR",
        help="Folder with <set>/labels.yaml, which says of what corpus a set is",
    )
    parser.add_argument(
        "--corpus", help="What it was trained on (default: as config.yaml records it)"
    )
    parser.add_argument(
        "--label_kind",
        choices=KINDS,
        help="What its labels are: ratings by listeners, an objective measure, or "
        "predicted by a model (default: likewise)",
    )
    parser.add_argument(
        "--label_name", help="What they are called, e.g. MOS (default: likewise)"
    )
    parser.add_argument("--licence", help="Licence of the model")
    return parser


def main(cmd=None) -> None:
    """Pack the model and print where it is."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.packs.pack import pack_model

    pack_model(
        args.train_config,
        args.model_file,
        args.output,
        args.results,
        {"licence": args.licence or None},
        scores=args.scores,
        set_labels=args.labels,
        corpus=args.corpus,
        kind=args.label_kind,
        name=args.label_name,
    )
    show(f"packed: {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
