"""Corpora, listeners and scales: names in the data, numbers in the batch."""

import argparse
from typing import Any, Dict, Optional, Sequence, Union

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet2_distilmos.model.corpus_offset import MEAN_CORPUS
from espnet2_distilmos.train.crop import RandomCrop
from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.train.scales import scales_of
from espnet2_distilmos.utils.datadir import to_ratings
from espnet2_distilmos.utils.values import to_scores


class RaterPreprocessor(AbsPreprocessor):
    """Turn the texts of `utt2corpus`, `utt2ratings` and `utt2scores` into arrays.

    A corpus without a number counts as none in particular; ratings of listeners
    without a number are left out, and so are data for which there are no names.

    Args:
        train: whether the set is for training; ratings are used only there.
        corpora: names in the order of their numbers, from 0.
        listeners: names in the order of their numbers, from 1 (0 is the mean listener).
        scales: names of the further scales in the order of the model's outputs.
    """

    def __init__(
        self,
        train: bool,
        corpora: Sequence[str] = (),
        listeners: Sequence[str] = (),
        scales: Sequence[str] = (),
    ):
        super().__init__(train)
        self.scales = tuple(scales)
        self.corpora = {name: number for number, name in enumerate(corpora)}
        self.listeners = {name: number for number, name in enumerate(listeners, 1)}

    def __call__(
        self, uid: str, data: Dict[str, Union[str, np.ndarray]]
    ) -> Dict[str, np.ndarray]:
        """Map `corpus` text -> (1,); `ratings` text -> (R, 2) numbers and scores.

        `scores` text -> (S,) labels on further scales, NaN where there is none.
        """
        found: Dict[str, Any] = dict(data)
        corpus, ratings = found.pop("corpus", None), found.pop("ratings", None)
        if corpus is not None and self.corpora:
            found["corpus"] = np.array([self.corpora.get(corpus, MEAN_CORPUS)])
        if ratings is not None and self.listeners and self.train:
            rows = [
                (self.listeners[who], score)
                for who, score in to_ratings(ratings)
                if who in self.listeners
            ]
            found["ratings"] = np.array(rows, np.float32).reshape(-1, 2)
        scores = found.pop("scores", None)
        if scores is not None and self.scales:
            labels = to_scores(scores)
            found["scores"] = np.array(
                [labels.get(scale, np.nan) for scale in self.scales], np.float32
            )
        return found


def preprocessor_of(args: argparse.Namespace, train: bool) -> Optional[AbsPreprocessor]:
    """Return what the options ask to be done with a clip; None where that is nothing.

    Args:
        args: of the training, filled in by the task.
        train: whether the set is for training; only there clips are cut.
    """
    sets = (
        args.train_data_path_and_name_and_type,
        args.valid_data_path_and_name_and_type,
    )
    names = ("corpus", "ratings", "scores")
    raters = None
    if any(path_of(data, x) for data in sets for x in names):
        raters = RaterPreprocessor(
            train,
            args.corpora or (),
            args.predictor_conf.get("listeners") or (),
            scales_of(args.predictor_conf),
        )
    if train and args.crop_seconds is not None:
        return RandomCrop(args.crop_seconds, args.crop_unit, raters)
    return raters
