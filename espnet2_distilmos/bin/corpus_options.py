"""Options that all commands for published corpora share."""

import argparse

from espnet2_distilmos.utils import option_types as takes


def to_bool(text: str) -> bool:
    """`true` or `false`, as everywhere in ESPnet's shell scripts."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false, not {text!r}")
    return text == "true"


def corpus_parser(description: str, listeners: bool = False) -> argparse.ArgumentParser:
    """A parser with `--corpus_dir`, `--data_dir`, `--strict` and, if asked for,
    `--listeners`."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=takes.HelpFormatter,
    )
    parser.add_argument("--corpus_dir", required=True, help="Folder of the corpus")
    parser.add_argument(
        "--data_dir", type=takes.path, default="data", help="Parent of the data dirs"
    )
    parser.add_argument(
        "--strict",
        type=to_bool,
        default=False,
        help="true: other counts than published are an error, not a warning",
    )
    if listeners:
        parser.add_argument(
            "--listeners",
            type=to_bool,
            default=False,
            help="true: write the ratings of single listeners too, utt2ratings",
        )
    return parser
