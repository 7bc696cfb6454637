#!/usr/bin/env python3
"""MOS of decoded speech, with the habits of ESPnet's evaluate_pseudomos.py."""

import argparse
import logging
import sys
from typing import Any, Dict

from espnet2_distilmos.bin.job_options import add_job_options, run_jobs
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options of all commands that score."""
    parser.add_argument(
        "--model_tag",
        help="Folder, zip, Hub repository or ESPnet model zoo tag (default, without "
        "--model_file: the WavLM weights that the method's authors released)",
    )
    parser.add_argument(
        "--train_config", help="config.yaml of the model (default: beside model_file)"
    )
    parser.add_argument("--model_file", help="A checkpoint")
    parser.add_argument(
        "--device",
        default="cuda:0",
        help="cpu, cuda:0... (default: %(default)s; without a GPU the CPU)",
    )
    parser.add_argument(
        "--batchsize",
        type=takes.positive_int,
        help="Utterances a batch (default: as suits the device); changes no score",
    )
    parser.add_argument(
        "--num_workers",
        type=takes.positive_int,
        default=2,
        help="Threads that read audio",
    )
    parser.add_argument(
        "--verbose", type=int, default=1, help="Verbosity: 0, 1 or 2 (default: 1)"
    )


def model_arguments(args: argparse.Namespace) -> Dict[str, Any]:
    """What these options say, as arguments of the package's `Evaluator`."""
    return {
        "model_tag": args.model_tag,
        "train_config": args.train_config,
        "model_file": args.model_file,
        "device": args.device,
        "batch_size": args.batchsize,
        "num_workers": args.num_workers,
    }


def set_up_verbosity(verbose: int) -> None:
    """ESPnet's levels."""
    levels = {0: logging.WARNING, 1: logging.INFO}
    set_up_logging(levels.get(max(verbose, 0), logging.DEBUG))


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Predict the MOS of decoded speech. Writes utt2pmos and "
        "pmos_avg_result.txt.",
    )
    parser.add_argument(
        "gen_wavdir_or_wavscp", help="Folder of wavs, or wav.scp; any sampling rates"
    )
    parser.add_argument(
        "--outdir", help="Folder for the results (default: that of the wavs or wav.scp)"
    )
    parser.add_argument(
        "--jsonl",
        metavar="FILE",
        help="Write JSON lines as VERSA does, too: key, distilmos",
    )
    add_model_options(parser)
    add_job_options(parser)
    return parser


def main(cmd=None) -> None:
    """Parse the options and score."""
    args = get_parser().parse_args(cmd)
    set_up_verbosity(args.verbose)
    from espnet2_distilmos.tts.evaluate import evaluate
    from espnet2_distilmos.tts.merge import FolderJobs

    path, places = args.gen_wavdir_or_wavscp, (args.outdir, args.jsonl)
    if args.job or args.combine or args.nj > 1:
        run_jobs(FolderJobs(path, args.nj, *places, **model_arguments(args)), args)
    else:
        evaluate(path, *places, **model_arguments(args))


if __name__ == "__main__":
    sys.exit(run(main))
