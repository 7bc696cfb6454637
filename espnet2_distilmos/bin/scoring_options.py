"""Options that all commands share which score audio for a user."""

import argparse

from espnet2_distilmos.utils import option_types as takes

MODEL_HELP = (
    "Folder, zip, checkpoint, exported file, Hub repository or ESPnet model zoo tag; "
    "authors: the WavLM weights that the method's authors released, authors/w2v2: "
    "theirs with wav2vec 2.0, both with a network (default: the small model that this "
    "package brings)"
)


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, of which the default is the embedded model."""
    parser.add_argument("--model", type=takes.path, help=MODEL_HELP)
    # As scripts call it that were written for an earlier version.
    parser.add_argument(
        *("--model_tag", "--model_file"),
        dest="model",
        type=takes.path,
        help=argparse.SUPPRESS,
    )


def add_scoring_options(parser: argparse.ArgumentParser) -> None:
    """Add `--device`, `--batch_seconds`, `--num_workers` and `--log_level`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1...")
    parser.add_argument(
        "--batch_seconds",
        type=takes.positive,
        help="Seconds of audio a batch, with padding (default: as suits the device); "
        "changes no score",
    )
    add_reader_option(parser)
    parser.add_argument("--log_level", default="INFO")


def add_crop_options(parser: argparse.ArgumentParser) -> None:
    """Add `--crops` and `--crop_seconds`."""
    parser.add_argument(
        "--crops",
        type=takes.positive_int,
        metavar="N",
        help="Score so many crops of each longer clip, evenly spaced from its begin to "
        "its end, and take the mean of their scores (default: the whole clip)",
    )
    parser.add_argument(
        "--crop_seconds",
        type=takes.positive,
        help="Of a crop (default: as the model was trained on)",
    )


def add_reader_option(parser: argparse.ArgumentParser) -> None:
    """Add `--num_workers`."""
    parser.add_argument(
        "--num_workers", type=takes.natural, default=2, help="Threads that read audio"
    )
