"""Layer weights: entmax with alpha 1.5, exact zeros."""

import pytest
import torch
from entmax import entmax_bisect

from espnet2_distilmos.model.layer_weighting import EntmaxLayerWeighting


@pytest.fixture
def weighting():
    torch.manual_seed(0)
    return EntmaxLayerWeighting(12, 4)


def test_all_layers_count_alike_at_first(weighting):
    torch.testing.assert_close(weighting.weights(), torch.full((12,), 1 / 12))


def test_weights_are_entmax_15_of_the_logits(weighting):
    for scale in (0.1, 1.0, 5.0):
        torch.nn.init.normal_(weighting.logits, 7.0, scale)
        weights = weighting.weights()
        expected = entmax_bisect(weighting.logits, alpha=1.5, n_iter=60)
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)
        assert weights.sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("behind, is_zero", [(0.6, False), (0.7, True)])
def test_a_layer_far_behind_gets_exactly_zero_and_no_gradient(
    weighting, behind, is_zero
):
    """The threshold for 12 layers is 0.65 (docstring of the class)."""
    with torch.no_grad():
        weighting.logits[3] -= behind
    weights = weighting.weights()
    assert (weights[3].item() == 0) == is_zero
    (weights * torch.randn(12)).sum().backward()
    assert (weighting.logits.grad[3].abs().item() < 1e-8) == (
        is_zero and weighting.logits.grad.mean().abs() < 1e-8
    )


def test_sum_of_layers_then_linear(weighting):
    torch.nn.init.normal_(weighting.logits)
    states = [torch.randn(2, 5, 4) for _ in range(12)]
    total = torch.einsum("l,lbtd->btd", weighting.weights(), torch.stack(states))
    torch.testing.assert_close(weighting(states), weighting.projection(total))
