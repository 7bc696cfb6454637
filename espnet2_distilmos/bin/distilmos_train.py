#!/usr/bin/env python3
"""Train a MOS predictor: `DistilMOSTask` with the options of every ESPnet task."""

import argparse
import sys
from collections.abc import Sequence

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.terminal import guard_logging, show


def get_parser():
    """Return the parser of `distilmos train`."""
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    parser = DistilMOSTask.get_parser()
    parser.formatter_class = takes.RawHelpFormatter
    parser.epilog = takes.examples(
        "distilmos train --config conf/train_distilmos.yaml --print_config",
        "distilmos train --config conf/train_sslmos.yaml "
        "--upstream_config conf/upstream/mini.yaml --output_dir exp/mos_x "
        "--train_data_path_and_name_and_type dump/raw/train/wav.scp,speech,sound "
        "--train_data_path_and_name_and_type dump/raw/train/utt2mos,mos,text_float "
        "--train_shape_file exp/stats/train/speech_shape "
        "--valid_data_path_and_name_and_type dump/raw/valid/wav.scp,speech,sound "
        "--valid_data_path_and_name_and_type dump/raw/valid/utt2mos,mos,text_float "
        "--valid_shape_file exp/stats/valid/speech_shape",
    )
    return parser


def require_yaml(cmd: Sequence[str]) -> None:
    """Check the files of `--config`, of whose faults ESPnet's parser makes tracebacks.

    Raises:
        UserError: one that cannot be read or is no YAML mapping.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[])
    for path in parser.parse_known_args(list(cmd))[0].config:
        read_yaml(path)


def main(cmd=None) -> None:
    """Train, go on, or refuse a folder that holds another training's weights.

    Example:
        % python -m espnet2_distilmos.bin.distilmos_train --print_config
        % python -m espnet2_distilmos.bin.distilmos_train \
            --config conf/train_distilmos.yaml \
            --upstream_config conf/upstream/mini.yaml
    """
    words = sys.argv[1:] if cmd is None else list(cmd)
    require_yaml(words)
    # Here, since it takes about 15 s.
    from espnet2_distilmos.tasks.begin import start
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.train.checkpoints import check_init_param
    from espnet2_distilmos.train.exclusive import (
        end_without_reader,
        errors_of_children,
        only_trainer,
    )
    from espnet2_distilmos.train.record import end

    guard_logging()
    args = get_parser().parse_args(words)
    check_init_param(args.init_param)
    if args.ngpu == 0:
        import torch

        # Sums depend on how many threads share them.
        torch.set_num_threads(args.num_threads)
    end_without_reader()
    with only_trainer(args) as first, errors_of_children():
        # ESPnet has something to say of an option that is missing.
        if args.output_dir is not None and not args.print_config:
            told = start(args, words, first)
            if told is not None:
                show(f"{args.output_dir}: {told}")
                return
        DistilMOSTask.main(args)
        if first and not (args.dry_run or args.collect_stats):
            end(args.output_dir, args.max_epoch)


if __name__ == "__main__":
    sys.exit(run(main))
