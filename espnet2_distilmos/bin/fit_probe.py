#!/usr/bin/env python3
"""Stage 5, where the model has a readout: the linear probe that it is."""

import argparse
import sys

from espnet2_distilmos.bin.upstream_options import (
    add_batch_option,
    add_device_options,
    choose_device,
)
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos fit-probe`."""
    parser = argparse.ArgumentParser(
        description="Fit a ridge regression to mean and deviation over time of the "
        "frozen upstream's layers, and write it as weights of the network's readout "
        "(predictor_conf readout: statistics), for --init_param of a training. Its "
        "strength is chosen inside the training set, in folds of whole systems. The "
        "layers are the training's readout_layers. What is current is not made again.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos fit-probe --data_dir dump/raw/train "
            "--output exp/mos_x/probe/probe.pth "
            "--features_dir exp/reference_rows/layer_statistics/mini "
            "-- --upstream_config conf/upstream/mini.yaml",
            "distilmos fit-probe --data_dir dump/raw/train "
            "--output exp/probe/probe.pth --features_dir exp/probe/features --nj 2 "
            "-- --config conf/tuning/train_distilmos_whisper_tiny.yaml "
            "--upstream_config conf/upstream/whisper_tiny_en.yaml",
        ),
    )
    parser.add_argument(
        "--data_dir",
        type=takes.path,
        required=True,
        help="Formatted training set, with utt2mos and perhaps utt2sys",
    )
    parser.add_argument(
        "--output",
        type=takes.path,
        required=True,
        help="probe.pth; probe.yaml beside it says what it comes from",
    )
    parser.add_argument(
        "--features_dir",
        type=takes.path,
        required=True,
        help="Where the features are kept: <features_dir>/<set>/statistics.npy; those "
        "of score-sets are <rows_dir>/layer_statistics/<upstream>",
    )
    parser.add_argument("--seed", type=takes.seed, default=0, help="Of the folds")
    parser.add_argument(
        "--nj",
        dest="n_jobs",
        type=takes.positive_int,
        default=1,
        help="Processes of the upstream, on the CPU",
    )
    add_batch_option(parser)
    add_device_options(parser)
    parser.add_argument(
        "options",
        nargs="+",
        help="After --: the options of distilmos_train, of which those of the upstream "
        "count, and `readout_layers` and `scales` of predictor_conf",
    )
    return parser


def main(cmd=None) -> None:
    """Fit the probe, unless it is there already."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.tokens.probe_start import write_probe_start
    from espnet2_distilmos.train.options import options_of, upstream_conf_of
    from espnet2_distilmos.train.scales import scales_of

    options = options_of(args.options)
    conf = upstream_conf_of(options)
    write_probe_start(
        args.data_dir,
        UpstreamConfig.from_dict(conf, options.upstream_config),
        args.output,
        args.features_dir,
        lambda: choose_device(args),
        args.batch_seconds,
        args.n_jobs,
        args.seed,
        (options.predictor_conf or {}).get("readout_layers"),
        scales_of(options.predictor_conf),
    )


if __name__ == "__main__":
    sys.exit(run(main, needs=["sklearn", "threadpoolctl"]))
