#!/usr/bin/env python3
"""The best of several TTS checkpoints, by the MOS of what they decoded."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import (
    add_model_option,
    add_scoring_options,
)
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.terminal import show


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos select-tts`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Score the wavs that several TTS checkpoints decoded from the same "
        "texts; name the best, with the interval of the difference to the second. "
        "Folders that are scored already are not scored again.",
        epilog=takes.examples(
            "distilmos select-tts exp/tts_train_vits --set dev",
            "distilmos select-tts exp/tts_a exp/tts_b --model model.zip "
            "--output choice.json",
        ),
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="wav.scp, its folder, a decoded set, or any folder above",
    )
    parser.add_argument("--set", help="Only decoded sets of this name, e.g. dev")
    parser.add_argument(
        "--output", type=takes.path, metavar="FILE", help="Write the choice as JSON"
    )
    parser.add_argument(
        "--n_bootstrap",
        type=takes.positive_int,
        default=10000,
        help="Resamples of the bootstrap",
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Of the bootstrap")
    add_model_option(parser)
    add_scoring_options(parser)
    return parser


def main(cmd=None) -> None:
    """Score what is not scored yet, compare, and name the best."""
    args = get_parser().parse_args(cmd)
    set_up_logging(args.log_level)
    from espnet2_distilmos.packs.locate import model_files
    from espnet2_distilmos.tts.select import select
    from espnet2_distilmos.utils.files import require_output, write_json

    if args.output is not None:
        require_output(args.output, *args.paths, *model_files(args.model))
    table, choice = select(
        args.paths,
        dset=args.set,
        n_bootstrap=args.n_bootstrap,
        seed=args.seed,
        model_tag=args.model,
        device=args.device,
        batch_seconds=args.batch_seconds,
        num_workers=args.num_workers,
    )
    show(table)
    show(choice.text(), end="")
    if args.output is not None:
        write_json(args.output, choice.as_dict())


if __name__ == "__main__":
    sys.exit(run(main))
