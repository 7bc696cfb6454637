#!/usr/bin/env python3
"""What each layer of upstreams knows: linear probes and purity of tokens."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.errors import UserError
from mini_mos.bin.probe_options import add_probe_clip_options


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m mini_mos.bin.probe_layers`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "python -m mini_mos.bin.probe_layers "
            "--pretrain_config conf/pretrain_mini.yaml "
            "--upstreams pretrained=mini.pt random=conf/upstream/mini_random.yaml "
            "--output_dir probes",
            "python -m mini_mos.bin.probe_layers "
            "--pretrain_config conf/pretrain_mini.yaml "
            "--upstreams mine=exp/my/first.pt --versions 1 --output_dir probes "
            "--nj 4",
        ),
    )
    parser.add_argument(
        "--upstreams",
        nargs="+",
        required=True,
        metavar="NAME=FILE",
        help="Name in the table, and conf/upstream/*.yaml or a WavLM checkpoint, .pt",
    )
    parser.add_argument(
        "--pretrain_config",
        required=True,
        help="As in pretraining: what is held out",
    )
    parser.add_argument(
        "--speech_dir", default="downloads/speech", help="As in pretraining"
    )
    parser.add_argument(
        "--output_dir", type=takes.path, required=True, help="probes.{md,json,png}"
    )
    add_probe_clip_options(parser)
    parser.add_argument(
        "--num_threads",
        type=takes.positive_int,
        default=1,
        help="Of the upstream, on the CPU",
    )
    return parser


def read_upstreams(items):
    """Read the configurations of `NAME=FILE` texts, by name.

    Raises:
        UserError: another text, a name twice, or a file that is no configuration.
    """
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.utils.files import read_yaml

    found = {}
    for item in items:
        name, sign, path = item.partition("=")
        if not (name and sign and path) or name in found:
            raise UserError(f"--upstreams {item}: NAME=FILE, each name once")
        conf = {"upstream": "wavlm_local", "path_or_url": path}
        if not path.endswith(".pt"):
            conf = read_yaml(path)
        found[name] = UpstreamConfig.from_dict(conf, path)
    return found


def main(cmd=None) -> None:
    """Probe every layer of every upstream and write tables and plots."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    import torch

    from mini_mos.pretrain.config import read_config
    from mini_mos.pretrain.probe_clips import make_probe_clips, probe_prompts
    from mini_mos.pretrain.probe_report import write_report
    from mini_mos.pretrain.probes import run_probes
    from mini_mos.pretrain.sources import find_sources

    torch.set_num_threads(args.num_threads)
    config = read_config(args.pretrain_config)
    upstreams = read_upstreams(args.upstreams)
    speech = find_sources(Path(args.speech_dir))
    prompts = probe_prompts(speech, config.corpus, config.seed)
    clips, left_out = make_probe_clips(prompts, args.versions, args.seed, args.nj)
    results = run_probes(upstreams, clips, args.seed)
    more = {
        "seed": args.seed,
        "clips": len(clips),
        "prompts": len({c.prompt for c in clips}),
        "left_out": left_out,
        "upstreams": {name: conf.to_dict() for name, conf in upstreams.items()},
    }
    write_report(Path(args.output_dir), {**more, **results})


if __name__ == "__main__":
    sys.exit(run(main, needs=["pesq", "sklearn", "threadpoolctl"]))
