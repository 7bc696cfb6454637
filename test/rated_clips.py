"""Ratings of three clips by single listeners, padded."""

import torch

RATINGS = torch.tensor(
    [
        [[1, 2.0], [2, 3.0], [3, 4.0], [4, 5.0]],
        [[2, 1.5], [5, 2.5], [0, 0.0], [0, 0.0]],
        [[0, 0.0], [0, 0.0], [0, 0.0], [0, 0.0]],
    ]
)


COUNTS = torch.tensor([4, 2, 0])
