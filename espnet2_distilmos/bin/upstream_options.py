"""Options that all commands with an upstream share."""

import argparse


def add_upstream_options(parser: argparse.ArgumentParser) -> None:
    """Add `--upstream_config`, `--ngpu` and `--num_threads`."""
    parser.add_argument(
        "--upstream_config", required=True, help="conf/upstream/NAME.yaml"
    )
    add_device_options(parser)


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add `--ngpu` and `--num_threads`."""
    parser.add_argument(
        "--ngpu", type=int, default=0, help="The number of GPUs; 0 = CPU"
    )
    parser.add_argument(
        "--num_threads", type=int, default=1, help="On the CPU; 1 is reproducible"
    )


def choose_device(args: argparse.Namespace) -> str:
    """Set torch's threads and return the device that the options name."""
    import torch

    torch.set_num_threads(args.num_threads)
    return "cuda" if args.ngpu > 0 else "cpu"


def read_upstream(args: argparse.Namespace):
    """The :class:`UpstreamConfig` that the options name."""
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.utils.files import read_yaml

    return UpstreamConfig.from_dict(
        read_yaml(args.upstream_config), args.upstream_config
    )
