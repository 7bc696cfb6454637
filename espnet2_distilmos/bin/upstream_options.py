"""Options that all commands with an upstream share."""

import argparse

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.errors import UserError


def add_upstream_options(parser: argparse.ArgumentParser) -> None:
    """Add `--upstream_config`, `--ngpu` and `--num_threads`."""
    parser.add_argument(
        "--upstream_config", required=True, help="conf/upstream/NAME.yaml"
    )
    add_device_options(parser)


def add_device_options(parser: argparse.ArgumentParser) -> None:
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


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """Add `--batch_seconds` and `--shard_seconds`, for passes over a corpus."""
    parser.add_argument(
        "--batch_seconds",
        type=takes.not_negative,
        help="Audio a batch, with padding; 0 = clip by clip, the default on a CPU "
        "(GPU: 100)",
    )
    parser.add_argument(
        "--shard_seconds",
        type=takes.positive,
        default=600.0,
        help="Audio a shard: what a killed job has to do again at most",
    )


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


def read_upstream(args: argparse.Namespace):
    """Read the :class:`UpstreamConfig` that the options name."""
    from espnet2_distilmos.model.upstream.config import UpstreamConfig

    return UpstreamConfig.from_file(args.upstream_config)
