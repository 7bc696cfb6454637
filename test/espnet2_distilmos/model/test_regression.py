"""The regression of frames, by hand: margin, lengths, scales and listeners."""

import pytest
import torch

from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.ratings import Ratings
from espnet2_distilmos.model.regression import REGRESSIONS, of_frames

FRAMES = torch.tensor([[2.0, 3.0, 4.0, 3.1], [1.0, 2.5, 9.0, 9.0]])
LENGTHS = torch.tensor([4, 2])
TARGET = torch.tensor([3.0, 2.0])  # errors 1, 0, 1, 0.1 and 1, 0.5


def prediction(**more):
    mos = torch.stack([FRAMES[0].mean(), FRAMES[1, :2].mean()])
    return Prediction(mos, FRAMES, LENGTHS, **more)


@pytest.mark.parametrize(
    "kind, margin, expected",
    [
        ("l1", 0.0, (2.1 / 4 + 1.5 / 2) / 2),
        ("l1", 0.25, (2.0 / 4 + 1.5 / 2) / 2),
        ("l1", 0.5, (2.0 / 4 + 1.0 / 2) / 2),
        ("mse", 0.25, (2.0 / 4 + 1.25 / 2) / 2),
    ],
)
def test_mean_over_valid_frames_then_over_clips(kind, margin, expected):
    loss = DistilMOSLoss(kind, margin, token_weight=0, regression_level="frame")
    made = prediction()
    total, stats = loss(made.mos, TARGET, frames=made)
    assert total.item() == pytest.approx(expected, abs=1e-6)
    assert stats["mos_loss"] == total
    # At the level of clips it is what it was, with frames at hand or without.
    of_clips = DistilMOSLoss(kind, margin, token_weight=0)
    a, b = (of_clips(made.mos, TARGET, frames=x)[0] for x in (made, None))
    assert a == b == REGRESSIONS[kind](margin)(made.mos, TARGET) != total


def test_no_gradient_in_padding_nor_within_the_margin():
    frames = FRAMES.clone().requires_grad_()
    of_frames(REGRESSIONS["l1"](0.25), frames, LENGTHS, TARGET).backward()
    expected = [[-0.125, 0, 0.125, 0], [-0.25, 0.25, 0, 0]]
    assert frames.grad.tolist() == expected


def test_a_batch_cut_in_two_has_the_loss_of_the_whole():
    def of(rows):
        args = FRAMES[rows], LENGTHS[rows], TARGET[rows]
        return of_frames(REGRESSIONS["mse"](0.25), *args)

    parts = [of(slice(i, i + 1)) for i in range(2)]
    torch.testing.assert_close(of(slice(None)), sum(parts) / 2)


def test_further_scales_take_part_where_a_clip_has_a_label():
    further = torch.stack([FRAMES + 1, FRAMES - 7], -1)  # of the second: no label
    labels = torch.tensor([[3.0, torch.nan], [torch.nan, torch.nan]])
    scores = torch.zeros(2, 2)
    loss = DistilMOSLoss(token_weight=0, regression_level="frame")
    made = prediction(scores=scores, frame_scores=further.requires_grad_())
    total, stats = loss(made.mos, TARGET, scores=scores, labels=labels, frames=made)
    first = (2.1 / 4 + (0 + 1 + 2 + 1.1) / 4) / 2
    assert stats["scales_loss"].item() == pytest.approx((first + 1.5 / 2) / 2, abs=1e-6)
    total.backward()
    assert further.grad[0, :, 0].abs().max() > 0 == further.grad[1].abs().max()
    # Each scale in its own units.
    halved = DistilMOSLoss(
        token_weight=0, regression_level="frame", scale_units=[2.0, 1.0]
    )
    stats = halved(made.mos, TARGET, scores=scores, labels=labels, frames=made)[1]
    first = (2.1 / 4 + (0 + 1 + 2 + 1.1) / 4 / 2) / 2
    assert stats["scales_loss"].item() == pytest.approx((first + 1.5 / 2) / 2, abs=1e-6)


def test_listeners_have_frames_of_their_own():
    ratings = Ratings(
        pairs=torch.tensor([[1, 0], [1, 1], [0, 0]]),
        scores=torch.tensor([2.0, 1.0, 4.0]),
        weights=torch.tensor([0.25, 0.25, 0.5]),
    )
    made = prediction(listener_frame_mos=FRAMES[[1, 1, 0]])
    loss = DistilMOSLoss(
        token_weight=0, regression_level="frame", listener_weight=0.5, margin=0.25
    )
    heard = torch.zeros(3)  # scores of clips: not looked at
    plain = loss(made.mos, TARGET, frames=made)[0]
    total, stats = loss(
        made.mos, TARGET, ratings=ratings, listener_mos=heard, frames=made
    )
    expected = 0.25 * 1.5 / 2 + 0.25 * 1.5 / 2 + 0.5 * (2 + 1 + 0 + 0.9) / 4
    assert stats["listener_loss"].item() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(total, plain + 0.5 * stats["listener_loss"])


def test_what_is_refused():
    with pytest.raises(ValueError, match="must be clip or frame"):
        DistilMOSLoss(regression_level="batch")
    loss = DistilMOSLoss(token_weight=0, regression_level="frame")
    with pytest.raises(ValueError, match="needs the scores of frames"):
        loss(TARGET, TARGET)
