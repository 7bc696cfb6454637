"""Scores from the network itself, in torch."""

import functools
from typing import List, Optional, Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.inference.device import (
    BATCH_SECONDS,
    choose_device,
    fewest_samples,
)
from espnet2_distilmos.inference.files import Score
from espnet2_distilmos.packs.calibration_record import labels_of, read_calibration
from espnet2_distilmos.packs.interval_record import IntervalRecord, read_interval
from espnet2_distilmos.packs.load import (
    corpus_number,
    load_network,
    read_config,
    skip_unused_layers,
)
from espnet2_distilmos.packs.locate import model_of
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.values import crop_seconds_of


class TorchBackend:
    """A training's or a packed model; see :class:`.backend.Backend`.

    Args:
        train_config: `config.yaml` that training saved; None = beside `model_file`.
        model_file: checkpoint.
        device: `cpu`, `cuda`, `cuda:1`..., or `auto`: CUDA if there is any.
        corpus: of a model with corpus offsets: the training corpus on whose scale to
            score; None = their mean.

    Raises:
        UserError: a file cannot be read, the two do not belong together, or there is
            no such corpus or device.
    """

    def __init__(
        self,
        train_config: Optional[PathLike],
        model_file: PathLike,
        device: str,
        corpus: Optional[str],
    ):
        train_config, _ = model_of(train_config, model_file)
        self.device = choose_device(device)
        config = read_config(train_config)
        # What the scores are: a model knows no better than its labels.
        self.labels = labels_of(config, train_config, model_file)
        self.network = load_network(train_config, model_file).to(self.device)
        calibration = read_calibration(config, model_file)
        # The weights have it in them.
        self.calibration = None if calibration is None else str(calibration["told"])
        self._read_interval = functools.partial(read_interval, config, model_file)
        self._corpus = corpus_number(self.network, corpus)
        skip_unused_layers(self.network)
        self.scales: Sequence[str] = self.network.predictor.scales
        self.frame_shift = self.network.frame_shift
        self.min_samples = fewest_samples(self.network.upstream)
        self.crop_seconds = crop_seconds_of(config, train_config)
        self.batch_seconds = BATCH_SECONDS[self.device.type]

    @functools.cached_property
    def interval(self) -> Optional[IntervalRecord]:
        """The record of its intervals: read when asked for, since it names a SHA-256.

        Raises:
            UserError: a record that is none, or of another checkpoint.
        """
        return self._read_interval()

    def score(self, clips: Sequence[np.ndarray]) -> List[Score]:
        """Score a batch; in halves where the GPU's memory ends."""
        try:
            return self._forward(clips)
        except torch.OutOfMemoryError as e:
            if len(clips) == 1:
                raise UserError(
                    f"{self.device}: too little memory for one clip of "
                    f"{len(clips[0]) / SAMPLE_RATE:.1f} s; use the CPU"
                ) from e
        half = len(clips) // 2
        return self.score(clips[:half]) + self.score(clips[half:])

    @torch.inference_mode()
    def _forward(self, clips: Sequence[np.ndarray]) -> List[Score]:
        tensors = [torch.from_numpy(np.ascontiguousarray(clip)) for clip in clips]
        speech = pad_sequence(tensors, batch_first=True).to(self.device)
        lengths = torch.tensor([len(clip) for clip in clips], device=self.device)
        prediction = self.network(
            speech, lengths, corpus=torch.full_like(lengths, self._corpus)
        )
        frames = prediction.frame_mos.float().cpu().numpy()
        lengths = prediction.lengths.tolist()
        scores = [
            Score(mos, frames[i, :n].copy())
            for i, (mos, n) in enumerate(zip(prediction.mos.tolist(), lengths))
        ]
        if prediction.scores is None or prediction.frame_scores is None:
            return scores
        further = prediction.scores.tolist()
        of_frames = prediction.frame_scores.float().cpu().numpy()
        return [
            score._replace(
                further=tuple(
                    (value, of_frames[i, :n, k].copy())
                    for k, value in enumerate(further[i])
                )
            )
            for i, (score, n) in enumerate(zip(scores, lengths))
        ]
