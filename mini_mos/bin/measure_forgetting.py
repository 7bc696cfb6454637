#!/usr/bin/env python3
"""What the experiment's final models have left of the pretrained upstream."""

import argparse
import logging
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.errors import UserError
from mini_mos.bin.probe_options import add_probe_clip_options


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.measure_forgetting`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.measure_forgetting "
            "--pretrain_config ../ssl1/conf/pretrain_mini.yaml "
            "--speech_dir ../ssl1/downloads/speech "
            "--output exp/experiment/forgetting.json",
            "python -m mini_mos.bin.measure_forgetting "
            "--pretrain_config ../ssl1/conf/pretrain_mini.yaml "
            "--speech_dir ../ssl1/downloads/speech --seeds 0 "
            "--ablations tuned no_tokens --output forgetting.json",
        ),
    )
    parser.add_argument("--protocol", default="conf/experiment.yaml")
    parser.add_argument(
        "--experiment_dir", default="exp/experiment", help="Folder of the runs"
    )
    parser.add_argument("--dumpdir", type=takes.path, default="dump/experiment")
    parser.add_argument(
        "--pretrain_config", required=True, help="Of the upstream: what it has heard"
    )
    parser.add_argument("--speech_dir", required=True, help="As in pretraining")
    parser.add_argument(
        "--output", type=takes.path, required=True, help="forgetting.json"
    )
    add_probe_clip_options(parser)
    parser.add_argument(
        "--seeds",
        type=takes.seed,
        nargs="+",
        help="Only final runs with these seeds (default: all; a minute a run)",
    )
    parser.add_argument(
        "--ablations",
        nargs="*",
        default=[],
        metavar="CHANGE",
        help="Measure these ablations, too (tuned: without a change)",
    )
    return parser


def _checkpoints(protocol, place, changes, args: argparse.Namespace) -> dict:
    """Find config.yaml and weights of the runs to measure, by name."""
    from mini_mos.experiment.network import MODEL, TAG
    from mini_mos.experiment.plan import ABLATE, MAIN, make_plan
    from mini_mos.experiment.protocol import ALL

    found = {}
    for one in make_plan(protocol, changes):
        if one.phase == MAIN:
            neural = protocol.models[one.model].kind == "network"
            wanted = neural and one.size == ALL
            wanted = wanted and one.seed in (args.seeds or protocol.seeds)
        else:
            wanted = one.phase == ABLATE and one.variant in args.ablations
        if not wanted:
            continue
        folder = place.run_dir(one)
        if not place.stamp(one).exists():
            raise UserError(f"{folder}: not done; run the phase {one.phase} first")
        name = one.model if one.phase == MAIN else one.variant
        trained = folder / f"mos_{TAG}"
        found[f"{name}/{one.seed}"] = (trained / "config.yaml", trained / MODEL)
    return found


def main(cmd=None) -> None:
    """Measure the models that are not measured yet; write after each."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_json
    from mini_mos.experiment.forgetting import (
        measure_forgetting,
        measured_before,
    )
    from mini_mos.experiment.place import Place
    from mini_mos.experiment.plan import TUNED, read_ablations
    from mini_mos.experiment.protocol import read_protocol
    from mini_mos.experiment.results import PRETRAINED
    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.probe_clips import make_probe_clips, probe_prompts
    from mini_mos.pretrain.sources import fetch_speech, find_sources

    protocol = read_protocol(args.protocol)
    place = Place(Path("."), Path(args.experiment_dir), Path(args.dumpdir))
    changes = read_ablations(protocol)
    if unknown := sorted(set(args.ablations) - {TUNED, *changes}):
        raise UserError(
            f"--ablations {unknown[0]}: there are {', '.join([TUNED, *changes])}"
        )
    checkpoints = _checkpoints(protocol, place, changes, args)
    kmeans = place.kmeans(protocol.train_set, protocol.upstream, protocol.n_clusters)
    request = {
        "upstream": read_yaml(protocol.upstream),
        "kmeans": sha256_file(kmeans / "provenance.yaml"),
        "pretrain_config": sha256_file(args.pretrain_config),
        "versions": args.versions,
        "seed": args.seed,
    }
    digests = {name: sha256_file(model) for name, (_, model) in checkpoints.items()}
    models = measured_before(args.output, request, digests)
    runs = {PRETRAINED: None, **checkpoints}
    todo = {name: run for name, run in runs.items() if name not in models}
    logging.info(f"{len(runs) - len(todo)} of {len(runs)} models are measured already")
    if not todo:
        return

    config = read_config(args.pretrain_config)
    fetch_speech(Path(args.speech_dir))
    prompts = probe_prompts(
        find_sources(Path(args.speech_dir)), config.corpus, config.seed
    )
    clips, left_out = make_probe_clips(prompts, args.versions, args.seed, args.nj)
    upstream = UpstreamConfig.from_file(protocol.upstream)
    for name, figures in measure_forgetting(upstream, todo, clips, kmeans, args.seed):
        models[name] = figures
        order = [n for n in runs if n in models]
        result = {
            "request": request,
            "clips": len(clips),
            "left_out": left_out,
            "sha256": {n: digests[n] for n in order if n != PRETRAINED},
            "models": {n: models[n] for n in order},
        }
        write_json(args.output, result)
        logging.info(f"{name}: measured")


if __name__ == "__main__":
    sys.exit(run(main, needs=["kaldiio", "pesq", "sklearn", "threadpoolctl"]))
