#!/usr/bin/env python3
"""Stage 6, second half: figures, plots and reference rows of all test sets."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet2_distilmos.bin.upstream_options import (
    add_batch_option,
    add_device_options,
    choose_device,
)
from espnet2_distilmos.page.options import (
    add_embedding_option,
    check_page_options,
)
from espnet2_distilmos.utils import option_types as takes
from espnet2_distilmos.utils.command import run, set_up_logging


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of `distilmos score-sets`."""
    parser = argparse.ArgumentParser(
        description="Score the predictions of a model on some sets and draw them over "
        "the labels. With --rows_dir, write and score the rows to compare with, too: "
        "constant (the mean label of TRAIN_DIR), system_mean (an oracle), trees on "
        "simple measurements and, with --upstream_config, a linear probe of the frozen "
        "upstream. What is current is not made again.",
        formatter_class=takes.HelpFormatter,
        epilog=takes.examples(
            "distilmos score-sets --data_dirs dump/raw/test --hyp_dir "
            "exp/mos_x/inference --train_config exp/mos_x/config.yaml",
            "distilmos score-sets --data_dirs dump/raw/test --rows_dir "
            "exp/reference_rows --train_dir dump/raw/train --upstream_config "
            "conf/upstream/mini.yaml --nj 4",
        ),
    )
    parser.add_argument(
        "--data_dirs",
        required=True,
        nargs="+",
        type=takes.path,
        help="Sets with utt2mos and perhaps utt2sys",
    )
    parser.add_argument(
        "--root",
        type=takes.path,
        help="Sets are called by their path below this folder",
    )
    parser.add_argument(
        "--hyp_dir",
        type=takes.path,
        help="Predictions: <hyp_dir>/<set>/utt2mos; scores and plots go there",
    )
    parser.add_argument(
        "--train_config",
        help="config.yaml of the model, which says what it predicts (what a set's "
        "labels are is read from its labels.yaml; on another scale there is no MSE)",
    )
    parser.add_argument(
        "--model_file",
        help="Its checkpoint, where a calibration (.yaml beside it) has put the scores "
        "on another scale than that of its training",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="With --hyp_dir, write <hyp_dir>/<set>/report.html, too: a page to look "
        "at and listen to (the sets' wav.scp are needed)",
    )
    add_embedding_option(parser)
    rows = parser.add_argument_group("rows to compare with")
    rows.add_argument(
        "--rows_dir",
        type=takes.path,
        help="Where the rows go: <row>/<set>/utt2mos (not of sets called SET@...)",
    )
    rows.add_argument("--train_dir", type=takes.path, help="Data dir to learn from")
    rows.add_argument(
        "--shipped_rows",
        type=takes.path,
        help="Folder with <row>/<set>/utt2mos of models that are not trained here",
    )
    rows.add_argument(
        "--nj",
        dest="n_jobs",
        type=takes.positive_int,
        default=2,
        help="Threads of the fits",
    )
    rows.add_argument(
        "--seed", type=takes.seed, default=0, help="Of the trees and the probe's folds"
    )
    probe = parser.add_argument_group("linear probe")
    probe.add_argument(
        "--upstream_config", help="conf/upstream/NAME.yaml; without it, no probe"
    )
    add_batch_option(probe)
    add_device_options(probe)
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Score, draw and write the rows."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.hyp_dir is None and args.rows_dir is None:
        parser.error("--hyp_dir, --rows_dir or both are needed")
    if args.report and args.hyp_dir is None:
        parser.error("--report needs --hyp_dir")
    check_page_options(parser, args)
    if args.rows_dir is not None and args.train_dir is None:
        parser.error("--rows_dir needs --train_dir")
    set_up_logging()
    from espnet2_distilmos.packs.calibration_record import labels_of
    from espnet2_distilmos.report.further_scales import score_scales
    from espnet2_distilmos.report.scales import differing
    from espnet2_distilmos.report.scored import draw_scatter, score_folder
    from espnet2_distilmos.utils.files import read_yaml, require_folder
    from espnet2_distilmos.utils.labels import Labels
    from espnet2_distilmos.utils.set_names import named_sets

    sets = named_sets(args.data_dirs, args.root)
    model = Labels()
    if args.train_config is not None:
        config = args.train_config
        model = labels_of(read_yaml(config), config, args.model_file or config)
    for name, folder in sets.items():
        # The predictions' utt2mos would be the labels themselves.
        if args.hyp_dir is not None:
            require_folder(Path(args.hyp_dir) / name, folder)
        if args.rows_dir is not None:
            require_folder(args.rows_dir, folder, folder.parent)
    if args.hyp_dir is not None:
        for name, folder in sets.items():
            if score_folder(Path(args.hyp_dir) / name, folder, predicted=model):
                logging.info(f"Scored: {Path(args.hyp_dir) / name}")
            score_scales(Path(args.hyp_dir) / name, folder, name, model)
    if args.rows_dir is not None:
        _write_rows(args)
    if args.hyp_dir is not None:
        for name, folder in sets.items():
            alike = differing(model, Labels.beside(folder)) is None
            draw_scatter(Path(args.hyp_dir) / name, folder, name, model.axis, alike)
            if args.report:
                from espnet2_distilmos.page.predictions import write_set_page

                judge = str(args.model_file or args.train_config or args.hyp_dir)
                hyp = Path(args.hyp_dir) / name
                embed = args.embed_audio
                write_set_page(hyp, folder, name, judge, model, alike, embed)


def _write_rows(args: argparse.Namespace) -> None:
    from espnet2_distilmos.report.further_scales import SCORES
    from espnet2_distilmos.report.probe import remove_outdated_probes
    from espnet2_distilmos.report.reference import write_reference_rows
    from espnet2_distilmos.report.scored import score_rows
    from espnet2_distilmos.report.sets import LabelledSets
    from espnet2_distilmos.report.shipped import add_shipped_rows
    from espnet2_distilmos.utils.set_names import set_name

    # A levelled set holds the clips of another one: the rows of that one stand for it.
    plain = [d for d in args.data_dirs if "@" not in set_name(d, args.root)]
    sets = LabelledSets(args.train_dir, plain, args.root)
    write_reference_rows(sets, args.rows_dir, args.n_jobs, args.seed)
    probe = None
    if args.upstream_config is not None:
        from espnet2_distilmos.model.upstream.config import UpstreamConfig
        from espnet2_distilmos.tokens.layout import statistics_file
        from espnet2_distilmos.tokens.probe import FEATURES, write_linear_probe

        probe = write_linear_probe(
            sets,
            args.rows_dir,
            UpstreamConfig.from_file(args.upstream_config),
            Path(args.upstream_config).stem,
            lambda: choose_device(args),
            args.batch_seconds,
            args.n_jobs,
            args.seed,
        )
    remove_outdated_probes(sets, args.rows_dir, probe)
    if args.shipped_rows is not None:
        add_shipped_rows(args.shipped_rows, args.rows_dir, sets.test_dirs)
    score_rows(args.rows_dir, sets.test_dirs, train_dir=sets.train_dir)
    if args.hyp_dir is None or not any(
        (Path(args.hyp_dir) / name / SCORES).exists() for name in sets.test_dirs
    ):
        return  # of the MOS alone
    from espnet2_distilmos.report.scale_rows import write_scale_rows

    features = {}
    if probe is not None:
        place = Path(args.rows_dir) / FEATURES / probe.name
        names = (sets.train_name, *sets.test_dirs)
        features[probe.folder.name] = {n: statistics_file(place / n) for n in names}
    write_scale_rows(sets, args.rows_dir, features, args.seed)


if __name__ == "__main__":
    sys.exit(run(main, needs=["sklearn", "threadpoolctl"]))
