"""Corpora and listeners of a training set: their names, in the arguments."""

import argparse
from typing import Optional, Sequence

from espnet2_distilmos.utils.datadir import read_ratings, read_words
from espnet2_distilmos.utils.errors import UserError


def path_of(data: Optional[Sequence[Sequence[str]]], name: str) -> Optional[str]:
    """Return the file of data `name` among (path, name, type) triples, or None."""
    return next((entry[0] for entry in data or () if entry[1] == name), None)


def name_raters(args: argparse.Namespace) -> None:
    """Write the names of corpora and listeners into `args`, from the training set.

    Corpora become `corpora` and, with `corpus_offset`, `predictor_conf corpora`;
    with `listeners`, listeners become `predictor_conf listeners`. Names that are there
    already stay: those of a saved configuration, whose data may be elsewhere.

    Raises:
        UserError: offsets without two corpora, or listeners without ratings.
    """
    data = args.train_data_path_and_name_and_type
    conf = dict(args.predictor_conf)
    utt2corpus = path_of(data, "corpus")
    if not args.corpora and utt2corpus is not None:
        args.corpora = sorted(set(read_words(utt2corpus).values()), key=str.encode)
    if args.corpus_offset:
        if len(args.corpora or ()) < 2:
            raise UserError(
                "--corpus_offset true needs at least two corpora in utt2corpus of the "
                f"training set, found {' '.join(args.corpora or ['none'])}; train on "
                'several with --train_sets "CORPUS/SET CORPUS/SET"'
            )
        conf["corpora"] = list(args.corpora)
    if args.listeners and not conf.get("listeners"):
        utt2ratings = path_of(data, "ratings")
        if utt2ratings is None:
            raise UserError(
                "--listeners true needs utt2ratings of the training set (some recipes "
                "write it with --local_data_opts '--listeners true')"
            )
        ratings = read_ratings(utt2ratings).values()
        names = {who for of_clip in ratings for who, _ in of_clip}
        if not names:
            raise UserError(f"{utt2ratings}: holds no rating of any listener")
        conf["listeners"] = sorted(names, key=str.encode)
    args.predictor_conf = conf
