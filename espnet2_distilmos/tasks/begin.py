"""The beginning of a training, with its options parsed: nothing to do, or refused."""

import argparse
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from espnet2.train.distributed_utils import get_num_nodes, get_world_size

from espnet2_distilmos.model.upstream.checkpoint import ensure_checkpoint
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tokens.check import require_checked
from espnet2_distilmos.train.identity import training_request
from espnet2_distilmos.train.options import uses_tokens
from espnet2_distilmos.train.quick import asked
from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.train.record import begin, change, require_same, whole
from espnet2_distilmos.utils.files import PathLike, read_yaml


def n_processes_of(args: argparse.Namespace) -> int:
    """Return how many processes train together, as ESPnet will find out."""
    if args.multiprocessing_distributed:
        nodes = get_num_nodes(args.dist_world_size, args.dist_launcher) or 1
        return nodes * max(args.ngpu, 1)
    world = get_world_size(args.dist_world_size, args.dist_launcher)
    # One process can use several GPUs (DataParallel): it cuts batches just so.
    return world if world > 1 else max(args.ngpu, 1)


def _request(args: argparse.Namespace, processes: int) -> Dict[str, Any]:
    conf = dict(args.upstream_conf)
    where = args.upstream_config or "--upstream_conf"
    if args.upstream_config is not None:
        conf = {**read_yaml(where), **conf}
    if conf:  # one with random weights is made now, else it would have no SHA-256
        ensure_checkpoint(UpstreamConfig.from_dict(conf, where))
    return training_request(vars(args), processes)


def _defaults() -> Dict[str, Any]:
    return vars(DistilMOSTask.get_parser().parse_args([]))


def look(words: Sequence[str], folder: PathLike, processes: int) -> Optional[str]:
    """Say that a training is whole; for the recipe, before anything is launched.

    Args:
        words: the command line of `distilmos_train`.
        folder: of the experiment.
        processes: that will train together.

    Returns:
        One line; None where the training is to begin or to go on.

    Raises:
        UserError: the folder holds weights of another training.
    """
    args = DistilMOSTask.get_parser().parse_args(list(words))
    record = require_same(folder, _request(args, processes), _defaults())
    if record is None:
        return None
    told = whole(folder, record, args.max_epoch, args.patience)
    if told is not None and record.get("asked") != asked(words):
        change(folder, asked=asked(words))  # the next look is a quick one
    return told


def start(args: argparse.Namespace, words: Sequence[str], first: bool) -> Optional[str]:
    """Refuse another training than that of the folder; else note what begins.

    Args:
        args: parsed options; `output_dir` is the experiment's folder.
        words: the command line they come from.
        first: whether this process writes the record.

    Returns:
        One line if there is nothing to do, else None.

    Raises:
        UserError: the folder holds weights of another training, or stage 4 has not
            checked the tokens as they are now.
    """
    request = _request(args, n_processes_of(args))
    record = require_same(args.output_dir, request, _defaults())
    # Without checkpoint.pth nothing can be resumed: who calls the trainer wants one.
    resumes = args.resume and (Path(args.output_dir) / "checkpoint.pth").exists()
    if record is not None and resumes:
        told = whole(args.output_dir, record, args.max_epoch, args.patience)
        if told is not None:
            return told
    if uses_tokens(args.loss_conf):
        for part in ("train", "valid"):
            data = getattr(args, f"{part}_data_path_and_name_and_type")
            tokens = path_of(data, "tokens")
            if tokens is not None:  # else the model will say so
                require_checked(tokens, request["data"][f"tokens of {part}"])
    if first and not (args.dry_run or args.collect_stats):
        begin(
            args.output_dir,
            request,
            args.max_epoch,
            args.patience,
            asked(words),
            record,
        )
    return None
