"""Ratings of single listeners in a batch."""

from dataclasses import dataclass
from typing import Any, List, Optional

import torch


@dataclass
class Ratings:
    """P ratings of the clips of a batch.

    Attributes:
        pairs: (P, 2) rows of the batch and listener numbers.
        scores: (P,) what they gave (MOS units).
        weights: (P,); 1 a rated clip in all, shared by its ratings, over the number of
            clips. So clips count alike whatever the number of their ratings, and a
            batch that is cut in two has the loss of the whole.
    """

    pairs: torch.Tensor
    scores: torch.Tensor
    weights: torch.Tensor


def pick_ratings(
    ratings: torch.Tensor, lengths: torch.Tensor, most: Optional[int] = None
) -> Ratings:
    """Take the ratings out of the padding, and of some clips only a few.

    Args:
        ratings: (B, R, 2) listener numbers and scores.
        lengths: (B,) numbers of ratings.
        most: so many are drawn, without replacement, of a clip that has more (with
            torch's random numbers, which ESPnet seeds anew for every epoch).
    """
    taken = torch.arange(ratings.size(1), device=lengths.device) < lengths.unsqueeze(1)
    if most is not None and ratings.size(1) > most:
        keys = torch.rand(taken.shape, device=lengths.device).masked_fill(~taken, 2.0)
        ranks = keys.argsort(1).argsort(1)
        taken = taken & (ranks < most)
    rows, columns = taken.nonzero(as_tuple=True)
    found = ratings[rows, columns]
    pairs = torch.stack([rows, found[:, 0].long()], dim=1)
    weights = 1.0 / (taken.sum(1)[rows] * len(ratings))
    return Ratings(pairs, found[:, 1], weights)


def for_pairs(
    pairs: Optional[torch.Tensor], *values: Optional[torch.Tensor]
) -> List[Any]:
    """Append, to each of the (B, ...) values, its rows for the (P, 2) pairs."""
    if pairs is None:
        return list(values)
    return [v if v is None else torch.cat([v, v[pairs[:, 0]]]) for v in values]
