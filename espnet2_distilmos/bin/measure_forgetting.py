#!/usr/bin/env python3
"""What the experiment's final models have left of the pretrained upstream."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.errors import UserError


def get_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--protocol", default="conf/experiment.yaml")
    parser.add_argument("--experiment_dir", default="exp/experiment")
    parser.add_argument("--dumpdir", type=takes.path, default="dump/experiment")
    parser.add_argument(
        "--pretrain_config", required=True, help="Of the upstream: what it has heard"
    )
    parser.add_argument("--speech_dir", required=True, help="As in pretraining")
    parser.add_argument(
        "--output", type=takes.path, required=True, help="forgetting.json"
    )
    parser.add_argument(
        "--versions",
        type=takes.positive_int,
        default=3,
        help="Degraded clips a recording",
    )
    parser.add_argument("--seed", type=takes.seed, default=0)
    parser.add_argument(
        "--nj", type=takes.positive_int, default=2, help="Processes that make the clips"
    )
    parser.add_argument(
        "--seeds",
        type=takes.seed,
        nargs="+",
        help="Only final runs with these seeds (default: all; a minute a run)",
    )
    return parser


def main(cmd=None) -> None:
    """Parse the options, measure, write."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.experiment.forgetting import measure_forgetting
    from espnet2_distilmos.experiment.network import MODEL, TAG
    from espnet2_distilmos.experiment.place import Place
    from espnet2_distilmos.experiment.plan import MAIN, make_plan
    from espnet2_distilmos.experiment.protocol import ALL, read_protocol
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.ssl.config import read_config
    from espnet2_distilmos.ssl.probe_clips import make_probe_clips, probe_prompts
    from espnet2_distilmos.ssl.sources import fetch_speech, find_sources
    from espnet2_distilmos.utils.files import write_json

    protocol = read_protocol(args.protocol)
    place = Place(Path("."), Path(args.experiment_dir), Path(args.dumpdir))
    runs = {}
    for one in make_plan(protocol, {}):
        kind = protocol.models[one.model].kind
        if (one.phase, one.size, kind) != (MAIN, ALL, "network"):
            continue
        if one.seed not in (args.seeds or protocol.seeds):
            continue
        if not place.stamp(one).exists():
            raise UserError(f"{place.run_dir(one)}: not done; run the phase main first")
        folder = place.run_dir(one) / f"mos_{TAG}"
        runs[f"{one.model}/{one.seed}"] = (folder / "config.yaml", folder / MODEL)
    config = read_config(args.pretrain_config)
    fetch_speech(Path(args.speech_dir))
    prompts = probe_prompts(
        find_sources(Path(args.speech_dir)), config.corpus, config.seed
    )
    clips, left_out = make_probe_clips(prompts, args.versions, args.seed, args.nj)
    upstream = UpstreamConfig.from_file(protocol.upstream)
    kmeans = place.kmeans(protocol.train_set, protocol.upstream, protocol.n_clusters)
    models = measure_forgetting(upstream, runs, clips, kmeans, args.seed)
    more = {"clips": len(clips), "left_out": left_out, "seed": args.seed}
    write_json(args.output, {**more, "models": models})


if __name__ == "__main__":
    sys.exit(run(main))
