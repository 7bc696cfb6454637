"""Clips to a batch."""

from typing import Collection, Dict, List, Tuple

import numpy as np
import torch
from espnet2.train.collate_fn import CommonCollateFn
from typeguard import typechecked

from espnet2_distilmos.model.token_loss import IGNORE_TOKEN


class DistilMOSCollateFn(CommonCollateFn):
    """Pad waveforms with zeros and tokens with IGNORE_TOKEN.

    Tokens come as float32 matrices (ESPnet reads no 2-D integers from Kaldi arks) of
    whole numbers, which stage 4 has checked, and leave as int64.
    """

    @typechecked
    def __init__(self):
        super().__init__(
            float_pad_value=0.0,
            int_pad_value=IGNORE_TOKEN,
            not_sequence=["mos", "system", "corpus", "scores"],
        )

    def __call__(
        self, data: Collection[Tuple[str, Dict[str, np.ndarray]]]
    ) -> Tuple[List[str], Dict[str, torch.Tensor]]:
        """Map [(ID, {name: array})] -> IDs and the padded batch.

        `speech` (N,) -> (B, N), `mos` (1,) -> (B, 1), `tokens` (T, M) -> (B, T, M),
        `system` and `corpus` (1,) -> (B, 1), `scores` (S,) -> (B, S), `ratings` (R, 2)
        -> (B, R, 2), with `speech_lengths`, `tokens_lengths` and `ratings_lengths`, all
        (B,).
        """
        as_ids = [
            (
                utt,
                {
                    name: value.astype(np.int64) if name == "tokens" else value
                    for name, value in arrays.items()
                },
            )
            for utt, arrays in data
        ]
        return super().__call__(as_ids)
