"""Clips to a batch: shapes and padding."""

import numpy as np
import torch

from espnet2_distilmos.train.collate import DistilMOSCollateFn


def test_shapes_types_and_padding():
    data = [
        (
            "a",
            {
                "speech": np.arange(5, dtype=np.float32),
                "mos": np.array([3.5], np.float32),
                "tokens": np.array([[1.0, 199.0], [3.0, 0.0]], np.float32),
                "system": np.array([7]),
            },
        ),
        (
            "b",
            {
                "speech": np.ones(3, dtype=np.float32),
                "mos": np.array([1.25], np.float32),
                "tokens": np.array([[5.0, 6.0]], np.float32),
                "system": np.array([0]),
            },
        ),
    ]
    utts, batch = DistilMOSCollateFn()(data)
    assert utts == ["a", "b"]
    assert batch.keys() == {
        *("speech", "speech_lengths", "mos", "tokens", "tokens_lengths", "system")
    }
    assert batch["speech"].tolist() == [[0, 1, 2, 3, 4], [1, 1, 1, 0, 0]]
    assert batch["speech"].dtype == torch.float32
    assert batch["speech_lengths"].tolist() == [5, 3]
    assert batch["mos"].tolist() == [[3.5], [1.25]]
    assert batch["tokens"].tolist() == [[[1, 199], [3, 0]], [[5, 6], [-1, -1]]]
    assert batch["tokens"].dtype == torch.int64
    assert batch["tokens_lengths"].tolist() == [2, 1]
    assert batch["system"].tolist() == [[7], [0]]
    assert data[0][1]["tokens"].dtype == np.float32  # the data set's own is kept


def test_tokens_and_systems_are_optional():
    data = [("a", {"speech": np.ones(3, np.float32), "mos": np.ones(1, np.float32)})]
    _, batch = DistilMOSCollateFn()(data)
    assert batch.keys() == {"speech", "speech_lengths", "mos"}
