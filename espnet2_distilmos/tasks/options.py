"""The task's options, beside those of every ESPnet task."""

import argparse
import logging
from typing import Any, Dict, Sequence

import torch
from espnet2.tasks.abs_task import scheduler_classes
from espnet2.torch_utils.initialize import INITIALIZATIONS
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import float_or_none, int_or_none, str2bool, str_or_none

from espnet2_distilmos.model.collectives import many_processes
from espnet2_distilmos.model.network import bad_options
from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.tasks import from_data
from espnet2_distilmos.utils.errors import UserError


def add_arguments(
    parser: argparse.ArgumentParser, class_choices_list: Sequence[ClassChoices]
) -> None:
    """Add them to the task's parser.

    Args:
        parser: with ESPnet's own options.
        class_choices_list: the choices of classes, each with its `--NAME_conf`.
    """
    # ESPnet's own default, folded, cannot do without --fold_length.
    parser.set_defaults(batch_type="numel")
    group = parser.add_argument_group(description="Task related")
    group.add_argument(
        "--upstream_config",
        type=str_or_none,
        default=None,
        help="conf/upstream/NAME.yaml; copied into upstream_conf",
    )
    group.add_argument(
        "--upstream_conf",
        action=NestedDictAction,
        default=dict(),
        help="Keys that override those of upstream_config",
    )
    group.add_argument(
        "--token_provenance",
        type=str_or_none,
        default=None,
        help="provenance.yaml of the k-means; needed for the token loss",
    )
    group.add_argument(
        "--token_conf",
        action=NestedDictAction,
        default=dict(),
        help="Content of token_provenance; filled in by the task",
    )
    group.add_argument(
        "--token_kept",
        type=str2bool,
        default=False,
        help="Log in validation which share of the frames is still nearest to the "
        "centroid of its token; needs the centroids beside token_provenance",
    )
    group.add_argument(
        "--label_conf",
        type=str_or_none,
        default=None,
        help="labels.yaml of the training set: what the labels are. Its content is "
        "copied into config.yaml; it decides no weight",
    )
    group.add_argument(
        "--corpus_offset",
        type=str2bool,
        default=False,
        help="Learn an offset a corpus; needs `corpus` data (utt2corpus)",
    )
    group.add_argument(
        "--corpora",
        nargs="*",
        default=None,
        help="Names of the corpora in the order of their numbers; filled in by the "
        "task from the `corpus` data of the training set",
    )
    group.add_argument(
        "--listeners",
        type=str2bool,
        default=False,
        help="Model single listeners; needs `ratings` data (utt2ratings). The "
        "names go into predictor_conf",
    )
    from_data.add_arguments(group)
    group.add_argument(
        "--batch_spread",
        type=float,
        default=0.0,
        help="Make the batches anew for every pass over the training set: of clips "
        "whose lengths differ by at most about this share to either side (0.2, say); "
        "0 = ESPnet's batches, always the same",
    )
    group.add_argument(
        "--corpus_exponent",
        type=float_or_none,
        default=None,
        help="Of several corpora: each has a share of the clips of an epoch that is "
        "proportional to its number of clips to this power, drawn anew every time; 0 = "
        "all alike, null = every clip once. Needs `corpus` data (utt2corpus)",
    )
    group.add_argument(
        "--crop_seconds",
        type=float_or_none,
        default=None,
        help="Train on a part of each clip of at most so many seconds, drawn anew "
        "every time, with the tokens of its frames; null = on whole clips",
    )
    group.add_argument(
        "--crop_unit",
        type=int_or_none,
        default=None,
        help="Samples of a frame of the upstream; filled in by the task",
    )
    group.add_argument(
        "--upstream_lr",
        type=float_or_none,
        default=None,
        help="Learning rate of the upstream (default: that of optim_conf)",
    )
    group.add_argument(
        "--cnn_lr",
        type=float_or_none,
        default=None,
        help="Learning rate of the upstream's CNN (default: upstream_lr)",
    )
    group.add_argument(
        "--freeze_upstream_steps",
        type=int,
        default=0,
        help="Leave the upstream as it is for so many steps",
    )
    group.add_argument(
        "--upstream_layer_decay",
        type=float,
        default=1.0,
        help="The upstream's top block has upstream_lr, each part below so many times "
        "the rate of the one above, the CNN the lowest (1: all alike)",
    )
    group.add_argument(
        "--upstream_steps",
        type=int,
        default=0,
        help="Let the upstream's rates fall to zero in so many steps, on a straight "
        "line and beside what the scheduler does; all else goes on (0: they do not)",
    )
    group.add_argument(
        "--layer_logits_lr",
        type=float_or_none,
        default=None,
        help="Learning rate of the layer weighting's logits (default: likewise)",
    )
    group.add_argument(
        "--ema_decay",
        type=float_or_none,
        default=None,
        help="Keep an exponential average of the weights, with this factor a step "
        "(0.999), and validate, choose and save that (default: none)",
    )
    group.add_argument(
        "--num_threads",
        type=int,
        default=1,
        help="On the CPU, a process; 1 is reproducible",
    )
    group.add_argument(
        "--init",
        type=lambda x: str_or_none(x.lower()),
        default=None,
        choices=[*INITIALIZATIONS, None],
        help="Initialisation of the predictor (not of the upstream)",
    )
    group.add_argument(
        "--model_conf",
        action=NestedDictAction,
        default={"extract_feats_in_collect_stats": False},
        help="The keyword arguments for the model class",
    )
    for class_choices in class_choices_list:
        class_choices.add_arguments(group)


def rates_of(args: argparse.Namespace) -> Dict[str, Any]:
    """Return what :func:`~..train.optimizer.build_optimizer` is told of rates."""
    names = (
        *("upstream_lr", "cnn_lr", "layer_logits_lr", "freeze_upstream_steps"),
        *("upstream_layer_decay", "upstream_steps"),
    )
    return {name: getattr(args, name) for name in names}


def allow_skipped_blocks(args: argparse.Namespace, upstream: UpstreamAdapter) -> None:
    """Set `unused_parameters` where several processes train blocks that are skipped.

    Without it torch waits for a gradient of every parameter, and ends the training in
    the step after the first in which layerdrop has skipped a block.
    """
    if many_processes() and upstream.skips_blocks and not args.unused_parameters:
        args.unused_parameters = True
        logging.info(
            "unused_parameters is set to true: the upstream's layerdrop leaves blocks "
            "out of some steps"
        )


def require_schedule(
    args: argparse.Namespace, optimizer: torch.optim.Optimizer
) -> None:
    """Refuse options of which no scheduler can be made; ESPnet will make it.

    Args:
        args: of the training, with `max_steps` as a number.
        optimizer: left as it is.

    Raises:
        UserError: what the scheduler does not take.
    """
    if args.scheduler is None:
        return
    groups = [
        {"params": [torch.zeros(1, requires_grad=True)], "lr": group["lr"]}
        for group in optimizer.param_groups
    ]
    trial = torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    try:
        scheduler_classes[args.scheduler](trial, **args.scheduler_conf)
    except Exception as e:  # asserts of ESPnet's, type checks, torch's own errors
        raise UserError(bad_options("scheduler_conf", args.scheduler_conf, e)) from e
