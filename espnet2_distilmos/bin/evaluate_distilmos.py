#!/usr/bin/env python3
"""MOS of decoded speech, with the habits of ESPnet's evaluate_pseudomos.py."""

import argparse
import logging
import sys
from typing import Any, Dict

from espnet2_distilmos.bin.job_options import add_job_options, run_jobs
from espnet2_distilmos.bin.scoring_options import (
    add_model_option,
    add_reader_option,
)
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging

# What ESPnet's scripts mean by --verbose; anything beyond is DEBUG.
LEVELS = {0: logging.WARNING, 1: logging.INFO}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos evaluate`."""
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter,
        description="Predict the MOS of decoded speech. Writes utt2pmos and "
        "pmos_avg_result.txt.",
        epilog=takes.examples(
            "distilmos evaluate exp/tts_x/decode_y/dev/wav/wav.scp",
            "distilmos evaluate my_wavs --model model.zip --device cpu "
            "--outdir results --jsonl results/scores.jsonl",
        ),
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
    add_model_option(parser)
    # These have the names and the defaults of ESPnet's script.
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
    add_reader_option(parser)
    parser.add_argument(
        "--verbose", type=int, default=1, help="Verbosity: 0, 1 or 2 (default: 1)"
    )
    add_job_options(parser)
    return parser


def main(cmd=None) -> None:
    """Score decoded speech, or join what several jobs have scored."""
    args = get_parser().parse_args(cmd)
    set_up_logging(LEVELS.get(max(args.verbose, 0), logging.DEBUG))
    from espnet2_distilmos.tts.evaluate import evaluate
    from espnet2_distilmos.tts.merge import FolderJobs

    path, places = args.gen_wavdir_or_wavscp, (args.outdir, args.jsonl)
    model: Dict[str, Any] = {
        "model_tag": args.model,
        "device": args.device,
        "batch_size": args.batchsize,
        "num_workers": args.num_workers,
    }
    if args.job or args.combine:
        run_jobs(FolderJobs(path, args.nj, *places, **model), args)
    else:
        evaluate(path, *places, **model)


if __name__ == "__main__":
    sys.exit(run(main))
