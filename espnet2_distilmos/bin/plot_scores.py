#!/usr/bin/env python3
"""Draw predictions over labels, by utterance and by system."""

import argparse
import sys
from pathlib import Path

from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos plot-scores`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos plot-scores --ref_dirs dump/raw/test "
            "--hyp_dir exp/mos_x/inference",
            "distilmos plot-scores --ref_dirs dump/raw/test dump/raw/somos/test "
            "--root dump/raw --hyp_dir exp/mos_x/inference "
            "--train_config exp/mos_x/config.yaml",
        ),
    )
    parser.add_argument(
        "--ref_dirs", required=True, nargs="+", help="Sets with utt2mos and utt2sys"
    )
    parser.add_argument(
        "--hyp_dir", required=True, help="Predictions: <hyp_dir>/<set>/utt2mos"
    )
    parser.add_argument(
        "--root", help="Sets are called by their path below this folder"
    )
    parser.add_argument(
        "--train_config",
        help="config.yaml of the model, which says what it predicts (what a set's "
        "labels are is read from its labels.yaml)",
    )
    return parser


def main(cmd=None) -> None:
    """Draw the predictions of every set over its labels."""
    args = get_parser().parse_args(cmd)
    set_up_logging()
    from espnet2_distilmos.report.plots import plot_scatter
    from espnet2_distilmos.utils.datadir import read_floats, read_words, set_name
    from espnet2_distilmos.utils.files import read_yaml
    from espnet2_distilmos.utils.labels import Labels

    model = Labels()
    if args.train_config is not None:
        model = Labels.of_model(read_yaml(args.train_config), args.train_config)
    for ref_dir in map(Path, args.ref_dirs):
        name = set_name(ref_dir, args.root)
        folder = Path(args.hyp_dir) / name
        systems = ref_dir / "utt2sys"
        plot_scatter(
            folder / "scatter.png",
            read_floats(ref_dir / "utt2mos"),
            read_floats(folder / "utt2mos"),
            read_words(systems) if systems.exists() else None,
            title=name,
            label_name=Labels.beside(ref_dir).axis,
            predicted=model.axis,
        )


if __name__ == "__main__":
    sys.exit(run(main))
