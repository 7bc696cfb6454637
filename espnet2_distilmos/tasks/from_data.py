"""What a training takes from its data: the labels' scale, and how many steps it makes.

A corpus of 60 clips makes a dozen batches an epoch, one of 5000 a thousand. Numbers of
epochs or of warm-up steps that suit one leave the other untrained.
"""

import argparse
import logging
import math
from typing import Any, Dict, Tuple

import numpy as np
import torch
from espnet2.utils.types import str2bool

from espnet2_distilmos.train.batches import fixed_batches
from espnet2_distilmos.train.identity import AUTO, fits_steps
from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.train.scales import read_scales
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.terminal import counted


def add_arguments(group) -> None:
    """Add the options to a group of the task's parser."""
    group.add_argument(
        "--standardize_labels",
        type=str2bool,
        default=False,
        help="Let the network predict labels less their mean over the training set, in "
        "units of their standard deviation (into predictor_conf and loss_conf). "
        "Scores come out in the units of the labels",
    )
    group.add_argument(
        "--min_steps",
        type=int,
        default=0,
        help="Where max_epoch epochs would make fewer steps than these, an epoch goes "
        "over the training set several times (num_iters_per_epoch is set)",
    )


def take_label_scale(args: argparse.Namespace) -> None:
    """Write, with `standardize_labels`, the training labels' scale into `args`.

    `predictor_conf` gets `label_mean` and `label_std`, `loss_conf` the deviation as
    `unit`; of further scales `scale_means`, `scale_stds` and `scale_units`. What is
    there already stays: a saved configuration, whose data may be elsewhere.

    Raises:
        UserError: no labels, of a further scale either.
    """
    if not args.standardize_labels or (
        args.predictor_conf.get("label_mean") is not None
    ):
        return
    utt2mos = path_of(args.train_data_path_and_name_and_type, "mos")
    if utt2mos is None:
        raise UserError(
            "--standardize_labels true needs `mos` data of the training set"
        )
    labels = np.array(list(read_floats(utt2mos).values()))
    if not len(labels):
        raise UserError(f"{utt2mos}: holds no label")
    mean, std = _scale_of(labels)
    scale: Dict[str, Any] = {"label_mean": mean, "label_std": std}
    units: Dict[str, Any] = {"unit": std}
    further = [_scale_of(np.array(values)) for values in read_scales(args).values()]
    if further:
        scale["scale_means"], scale["scale_stds"] = map(list, zip(*further))
        units["scale_units"] = scale["scale_stds"]
    args.predictor_conf = {**args.predictor_conf, **scale}
    args.loss_conf = {**units, **args.loss_conf}
    logging.info(
        f"standardize_labels: {scale} of {counted(len(labels), 'label')} in {utt2mos}"
    )


def _scale_of(labels: np.ndarray) -> Tuple[float, float]:
    """Return mean and deviation; equal labels have no deviation, and need none."""
    return round(float(labels.mean()), 6), round(float(labels.std()), 6) or 1.0


def _n_batches(args: argparse.Namespace) -> int:
    """Return the number of batches that ESPnet makes of the training set."""
    if args.iterator_type != "sequence" or args.multiple_iterator:
        raise UserError(
            "--min_steps and `max_steps: auto` need --iterator_type sequence and no "
            "--multiple_iterator: else nothing says how many batches there are"
        )
    least = args.min_batch_size
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        least = torch.distributed.get_world_size()
    return len(fixed_batches(args, least))


def fit_steps(args: argparse.Namespace) -> None:
    """Write into `args` what `min_steps` and `max_steps: auto` mean here.

    The first sets `num_iters_per_epoch`, unless that is given. The second, of
    `scheduler_conf`, becomes the
    number of all steps, so that a schedule that warms up and falls (`tristagelr`) does
    it within this training.

    Raises:
        UserError: a kind of iterator whose number of batches is not known before, and
            no `num_iters_per_epoch`.
    """
    if not fits_steps(vars(args)):
        return
    given, accum = args.num_iters_per_epoch, args.accum_grad
    batches = given or _n_batches(args)
    of_pass = "" if given else f"{batches} batches in the training set; "
    if given is None:
        wanted = math.ceil(args.min_steps / args.max_epoch) * accum
        if wanted > batches:
            batches = args.num_iters_per_epoch = wanted
    steps = max(batches // accum, 1) * args.max_epoch
    if args.scheduler_conf.get("max_steps") == AUTO:
        args.scheduler_conf = {**args.scheduler_conf, "max_steps": steps}
    logging.info(
        f"{of_pass}{counted(args.max_epoch, 'epoch')} of {batches} batches make "
        f"{counted(steps, 'step')}"
    )
