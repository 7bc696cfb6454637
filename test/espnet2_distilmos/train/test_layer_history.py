"""Layer weights and token accuracies: from a history to a picture."""

import pytest

from espnet2_distilmos.report.layer_plots import plot_token_accuracy
from espnet2_distilmos.train.history import layer_weights_of, token_accuracies_of
from espnet2_distilmos.utils.errors import UserError

HISTORY = {
    2: {"valid": {"token_acc_01": 0.4, "token_acc_12": 0.2, "token_acc": 0.3}},
    1: {
        "valid": {"token_acc_01": 0.1, "token_acc_12": 0.0, "layer_weight_03": 1.0},
        "train": {"token_acc": 0.5},
    },
}


def test_layers_and_epochs_in_order():
    assert token_accuracies_of(HISTORY) == ([1, 12], [[0.1, 0.0], [0.4, 0.2]])
    assert layer_weights_of(HISTORY) == ([3], [[1.0]])
    assert token_accuracies_of({1: {"valid": {"token_acc": 0.3}}}) == ([], [])


def test_picture(tmp_path):
    layers, rows = token_accuracies_of(HISTORY)
    plot_token_accuracy(tmp_path / "x.png", rows, layers)
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UserError, match="need epochs with a value a layer"):
        plot_token_accuracy(tmp_path / "y.png", rows, [1])
