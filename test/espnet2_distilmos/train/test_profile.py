"""Shares of the training time."""

import pytest

from espnet2_distilmos.train.profile import time_shares, time_table
from espnet2_distilmos.utils.errors import UserError

TRAIN = {
    "train_time": 2.0,
    "iter_time": 0.1,
    "forward_time": 0.5,
    "backward_time": 1.2,
    "optim_step_time": 0.1,
}


def test_shares_add_up():
    history = {
        1: {"train": {**TRAIN, "total_count": 10.0}, "valid": {}},
        2: {"train": {**TRAIN, "train_time": 4.0, "total_count": 30.0}},
    }
    first, second = time_shares(history)
    assert first["steps"] == 10 and first["seconds"] == 20
    assert second["steps"] == 20 and second["seconds"] == 80
    assert first["data"] == pytest.approx(0.05)
    assert first["model"] == pytest.approx(0.9)
    assert first["other"] == pytest.approx(0.05)
    assert second["model"] == pytest.approx(0.45)
    lines = time_table([first, second]).splitlines()
    assert lines[2] == "| 1 | 10 | 2.000 | 5.0 | 25.0 | 60.0 | 5.0 | 5.0 | 90.0 |"
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_history_without_times():
    with pytest.raises(UserError, match="epoch 1 has no times"):
        time_shares({1: {"train": {"loss": 1.0}}})
