"""Ratings of single listeners: which count, and their loss."""

import pytest
import torch
from rated_clips import COUNTS, RATINGS

from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.ratings import pick_ratings


def test_all_ratings_are_taken_out_of_the_padding():
    found = pick_ratings(RATINGS, COUNTS)
    assert found.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [1, 5]]
    assert found.scores.tolist() == [2.0, 3.0, 4.0, 5.0, 1.5, 2.5]
    # A third a clip, the one without ratings included.
    assert found.weights.tolist() == pytest.approx([1 / 12] * 4 + [1 / 6] * 2)
    assert pick_ratings(RATINGS, COUNTS, 4).pairs.tolist() == found.pairs.tolist()
    nothing = pick_ratings(torch.zeros(2, 0, 2), torch.zeros(2, dtype=torch.long), 1)
    assert nothing.pairs.shape == (0, 2) and nothing.weights.shape == (0,)


def test_some_ratings_are_drawn_without_replacement_and_by_the_seed():
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        found = pick_ratings(RATINGS, COUNTS, 3)
        torch.manual_seed(seed)
        assert torch.equal(pick_ratings(RATINGS, COUNTS, 3).pairs, found.pairs)
        of_first = [who for row, who in found.pairs.tolist() if row == 0]
        assert len(of_first) == len(set(of_first)) == 3
        assert found.pairs.tolist()[3:] == [[1, 2], [1, 5]]
        assert found.weights.tolist() == pytest.approx([1 / 9] * 3 + [1 / 6] * 2)
        for (_, who), score in zip(found.pairs.tolist()[:3], found.scores.tolist()):
            assert score == who + 1
        seen.add(tuple(of_first))
    assert len(seen) == 4


def test_listener_loss_by_hand():
    loss = DistilMOSLoss("l1", token_weight=0, listener_weight=0.5)
    ratings = pick_ratings(RATINGS, COUNTS)
    heard = ratings.scores + torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5, 0.0])
    predicted, target = torch.tensor([3.0, 2.0, 4.0]), torch.tensor([3.5, 2.0, 3.0])
    value, stats = loss(predicted, target, ratings=ratings, listener_mos=heard)
    listener = (4 / 4 + 0.5 / 2 + 0) / 3
    assert stats["listener_loss"].item() == pytest.approx(listener)
    assert value.item() == pytest.approx(0.5 + 0.5 * listener)
    assert loss(predicted, target)[1].keys() == {"loss", "mos_loss"}


def test_a_batch_in_two_parts_has_the_loss_of_the_whole():
    """As with several processes, whose losses count by their numbers of clips."""
    loss = DistilMOSLoss("mse", margin=0.3, token_weight=0)

    def listener_loss(rows):
        ratings = pick_ratings(RATINGS[rows], COUNTS[rows])
        return loss.regression(0.7 * ratings.scores, ratings.scores, ratings.weights)

    parts = listener_loss(slice(0, 1)) + 2 * listener_loss(slice(1, 3))
    torch.testing.assert_close(parts / 3, listener_loss(slice(0, 3)))


@pytest.mark.parametrize(
    "conf", [{"listener_weight": -1.0}, {"ratings_per_clip": 0}], ids=str
)
def test_bad_options_of_the_loss(conf):
    with pytest.raises(ValueError, match="negative|at least 1"):
        DistilMOSLoss(**conf)
