#!/usr/bin/env python3
"""Draw the training curves, layer weights and token accuracies of an experiment."""

import argparse
import sys
from pathlib import Path
from typing import Tuple

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging
from espnet2_distilmos.utils.files import read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos plot-training`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos plot-training --exp exp/mos_x",
            "distilmos plot-training --exp exp/mos_x --output_dir plots",
        ),
    )
    parser.add_argument(
        "--exp", type=takes.path, required=True, help="Folder with checkpoint.pth"
    )
    parser.add_argument("--output_dir", type=takes.path, help="Default: <exp>/plots")
    return parser


def criterion_of(exp: Path) -> Tuple[str, str]:
    """Return the validation statistic that chose the best epoch, and `min` or `max`.

    The first of best_model_criterion in config.yaml; srcc where there is none.
    """
    config = Path(exp) / "config.yaml"
    criteria = (
        read_yaml(config).get("best_model_criterion") if config.exists() else None
    )
    for phase, stat, mode in criteria or ():
        if phase == "valid":
            return stat, mode
    return "srcc", "max"


def main(cmd=None) -> None:
    """Draw the curves of a training that runs or has ended."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.report.layer_plots import plot_token_accuracy
    from espnet2_distilmos.report.plots import (
        plot_layer_weights,
        plot_training_curves,
    )
    from espnet2_distilmos.train.history import (
        layer_weights_of,
        read_history,
        token_accuracies_of,
    )

    output_dir = Path(args.output_dir or Path(args.exp) / "plots")
    history = read_history(Path(args.exp) / "checkpoint.pth")
    plot_training_curves(output_dir / "training.png", history, criterion_of(args.exp))
    layers, weights = layer_weights_of(history)
    if weights:
        plot_layer_weights(output_dir / "layer_weights.png", weights, layers)
    layers, accuracies = token_accuracies_of(history)
    if accuracies:
        plot_token_accuracy(output_dir / "token_accuracy.png", accuracies, layers)


if __name__ == "__main__":
    sys.exit(run(main))
