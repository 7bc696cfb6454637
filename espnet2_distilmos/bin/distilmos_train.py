#!/usr/bin/env python3
"""Train a MOS predictor: `DistilMOSTask` with the options of every ESPnet task."""

import sys

from espnet2_distilmos.utils.command import run


def get_parser():
    """The task's options."""
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    return DistilMOSTask.get_parser()


def main(cmd=None) -> None:
    """Train.

    Example:

        % python -m espnet2_distilmos.bin.distilmos_train --print_config
        % python -m espnet2_distilmos.bin.distilmos_train \
            --config conf/train_distilmos.yaml \
            --upstream_config conf/upstream/mini.yaml
    """
    # Here, since it takes about 15 s.
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.train.exclusive import (
        end_without_reader,
        errors_of_children,
        only_trainer,
    )

    args = DistilMOSTask.get_parser().parse_args(cmd)
    if args.ngpu == 0:
        import torch

        # Sums depend on how many threads share them.
        torch.set_num_threads(args.num_threads)
    end_without_reader()
    with only_trainer(args), errors_of_children():
        DistilMOSTask.main(args)


if __name__ == "__main__":
    sys.exit(run(main))
