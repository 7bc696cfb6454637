"""Options that commands with an upstream share."""

import argparse
from typing import Any, Dict

from espnet2_distilmos.bin.job_options import add_job_options
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.errors import UserError


def add_device_options(parser: argparse._ActionsContainer) -> None:
    """Add `--ngpu` and `--num_threads`."""
    parser.add_argument(
        "--ngpu", type=takes.natural, default=0, help="The number of GPUs; 0 = CPU"
    )
    parser.add_argument(
        "--num_threads",
        type=takes.positive_int,
        default=1,
        help="On the CPU; 1 is reproducible",
    )


def add_batch_option(parser: argparse._ActionsContainer) -> None:
    """Add `--batch_seconds`."""
    parser.add_argument(
        "--batch_seconds",
        type=takes.not_negative,
        help="Audio a batch, with padding; 0 = clip by clip, the default on a CPU "
        "(GPU: 100)",
    )


def add_pass_options(parser: argparse.ArgumentParser) -> None:
    """Add what a pass of an upstream over a corpus takes: upstream, batches, jobs."""
    parser.add_argument(
        "--upstream_config", required=True, help="conf/upstream/NAME.yaml"
    )
    add_batch_option(parser)
    parser.add_argument(
        "--shard_seconds",
        type=takes.positive,
        default=600.0,
        help="Audio a shard: what a killed job has to do again at most",
    )
    add_device_options(parser)
    add_job_options(parser)


def pass_arguments(args: argparse.Namespace) -> Dict[str, Any]:
    """Return what the options of :func:`add_pass_options` say, as keyword arguments.

    Array jobs: see :func:`~.job_options.run_jobs`.

    Raises:
        UserError: an upstream's file that is none, or no GPU where one is asked for.
    """
    from espnet2_distilmos.model.upstream.config import UpstreamConfig

    return {
        "conf": UpstreamConfig.from_file(args.upstream_config),
        "device": choose_device(args),
        "batch_seconds": args.batch_seconds,
        "shard_seconds": args.shard_seconds,
    }


def choose_device(args: argparse.Namespace) -> str:
    """Set torch's threads and return the device that the options name.

    Array jobs of one machine take its GPUs in turn; a scheduler shows a job only its
    own.
    """
    import torch

    torch.set_num_threads(args.num_threads)
    if args.ngpu == 0:
        return "cpu"
    if getattr(args, "combine", False):  # which needs none, where it runs
        return "cuda"
    if not torch.cuda.is_available():
        raise UserError("--ngpu: this machine has no usable CUDA GPU; use --ngpu 0")
    job = getattr(args, "job", None) or 1
    return f"cuda:{(job - 1) % torch.cuda.device_count()}"
