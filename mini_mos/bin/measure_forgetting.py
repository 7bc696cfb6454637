#!/usr/bin/env python3
"""What the experiment's models have left of the pretrained upstream."""

import argparse
import logging
import sys

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from mini_mos.bin.experiment_options import (
    add_place_options,
    add_protocol_option,
    place_of,
)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.measure_forgetting`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.measure_forgetting "
            "--output exp/experiment/forgetting.json",
            "python -m mini_mos.bin.measure_forgetting --arms no_tokens tokens_0.1 "
            "--n_clips 50 --output forgetting.json",
        ),
    )
    add_protocol_option(parser)
    add_place_options(parser)
    parser.add_argument(
        "--part", choices=["development", "final"], default="development"
    )
    parser.add_argument(
        "--arms", nargs="+", metavar="ARM", help="Only these arms (default: all)"
    )
    parser.add_argument(
        "--n_clips",
        type=takes.positive_int,
        default=100,
        help="Clips of the validation set, evenly spaced",
    )
    parser.add_argument(
        "--output", type=takes.path, required=True, help="forgetting.json"
    )
    return parser


def main(cmd=None) -> None:
    """Measure all models of a part; write them together."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.model.upstream.loader import build_upstream
    from espnet2_distilmos.utils.audio import read_audio
    from espnet2_distilmos.utils.datadir import DataDir, read_words
    from espnet2_distilmos.utils.errors import UserError
    from espnet2_distilmos.utils.files import write_json
    from mini_mos.corpus.outputs import PROMPTS
    from mini_mos.experiment.forgetting import measure_forgetting
    from mini_mos.experiment.place import MODEL
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.sets import SETS

    protocol = read_protocol(args.protocol)
    place = place_of(args)
    folders = sorted((place.expdir / args.part).glob("mos_*/done.yaml"))
    models = {}
    for folder in (f.parent for f in folders):
        name = folder.name.removeprefix("mos_")
        if args.arms is None or name.rsplit("_s", 1)[0] in args.arms:
            models[name] = (folder / "config.yaml", folder / MODEL)
    if not models:
        raise UserError(f"{place.expdir / args.part}: no such run is done")
    valid = SETS[args.part].valid
    raw = place.dump(args.part) / "raw" / valid
    wavs, prompts = DataDir.load(raw).wavs, read_words(place.data / valid / PROMPTS)
    n = min(args.n_clips, len(wavs))
    every = list(wavs)
    utts = [every[i * len(wavs) // n] for i in range(n)]
    clips = [read_audio(wavs[utt])[0] for utt in utts]
    said = [prompts[utt] for utt in utts]
    measured = {}
    kmeans = place.kmeans(protocol, args.part)
    upstream = build_upstream(UpstreamConfig.from_file(protocol.upstream))
    for name, figures in measure_forgetting(upstream, models, clips, said, kmeans):
        measured[name] = figures
        logging.info(f"{name}: measured")
    write_json(
        args.output, {"part": args.part, "clips": len(clips), "models": measured}
    )


if __name__ == "__main__":
    sys.exit(run(main, needs=["kaldiio"]))
