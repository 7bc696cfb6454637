#!/usr/bin/env python3
"""Score wavs: files, folders or a Kaldi wav.scp."""

import argparse
import sys

from espnet2_distilmos.bin.scoring_options import (
    add_crop_options,
    add_model_option,
    add_scoring_options,
)
from espnet2_distilmos.page.options import add_page_options, check_page_options
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos score`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Predict the MOS of speech: of files, of folders (recursively) or "
        "of a Kaldi wav.scp. A bad file does not stop the others, but makes the exit "
        "code 1.",
        epilog=takes.examples(
            "distilmos score clip.wav my_wavs/ --output mos.csv",
            "distilmos score data/test/wav.scp "
            "--model exp/mos_x/valid.srcc.best.pth --format kaldi --device cuda",
            "distilmos score clean/ enhanced/ --report report.html --embed_audio 50",
        ),
    )
    parser.add_argument(
        "paths", type=takes.path, nargs="+", metavar="PATH", help="What to score"
    )
    add_model_option(parser)
    parser.add_argument(
        "--output",
        type=takes.path,
        metavar="FILE",
        help="Table to write (default, and with -: stdout)",
    )
    parser.add_argument(
        "--format",
        default="csv",
        choices=("csv", "jsonl", "kaldi"),
        help="Of the table (default: csv)",
    )
    parser.add_argument(
        "--frame_mos",
        type=takes.path,
        metavar="DIR",
        help="Write frame scores, one CSV a clip",
    )
    parser.add_argument(
        "--plot",
        type=takes.path,
        metavar="DIR",
        help="Draw waveform, spectrogram and frame scores, one PNG a clip",
    )
    add_page_options(parser)
    parser.add_argument(
        "--corpus",
        metavar="NAME",
        help="Of a model with corpus offsets: score on the scale of this training "
        "corpus (default: the mean of all)",
    )
    parser.add_argument(
        "--interval",
        type=takes.coverage_if_any,
        nargs="?",
        const=0.9,
        metavar="SHARE",
        help="Of a model with intervals (distilmos conformal): columns mos_low and "
        "mos_high, which hold this share of labels of clips like those that they were "
        "made from (without a number: 0.9); behind what is to be scored",
    )
    add_crop_options(parser)
    add_scoring_options(parser)
    return parser


def main(cmd=None) -> None:
    """Score what the paths name and write the table."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    check_page_options(parser, args)
    set_up_logging(args.log_level)
    from espnet2_distilmos.inference.command import score_paths

    score_paths(
        args.paths,
        model=args.model,
        output=args.output,
        form=args.format,
        frame_mos=args.frame_mos,
        plot=args.plot,
        report=args.report,
        embed_audio=args.embed_audio,
        device=args.device,
        batch_seconds=args.batch_seconds,
        num_workers=args.num_workers,
        corpus=args.corpus,
        interval=args.interval,
        crops=args.crops,
        crop_seconds=args.crop_seconds,
    )


if __name__ == "__main__":
    sys.exit(run(main))
