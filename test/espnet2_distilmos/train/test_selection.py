"""The best epoch: ties go to the lower loss, for the links, the averages, the plots."""

import math
import os
from types import SimpleNamespace

import espnet2.train.trainer
import pytest
import torch
from espnet2.train.reporter import Reporter

from espnet2_distilmos.report.curves import best_epoch
from espnet2_distilmos.train.checkpoints import mend_folder
from espnet2_distilmos.train.selection import (
    TieBreakingReporter,
    require_criteria,
    settle_ties,
)
from espnet2_distilmos.utils.errors import UserError

# The case of six validation clips: epochs 1, 3 and 12 tie, and the first is untrained.
TIED = {1: (0.9, 0.89), 2: (0.8, 0.10), 3: (0.9, 0.55), 12: (0.9, 0.27), 13: (0.7, 0.2)}


def reporter_of(epochs, kind=TieBreakingReporter, loss="mos_loss"):
    reporter = kind()
    for epoch, (srcc, value) in epochs.items():
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            sub.register({"srcc": srcc, loss: value})
            sub.next()
    return reporter


@pytest.mark.parametrize("loss", ["mos_loss", "loss"])
def test_a_tie_goes_to_the_lower_loss(loss):
    assert reporter_of(TIED, Reporter).get_best_epoch("valid", "srcc", "max") == 1
    reporter = reporter_of(TIED, loss=loss)
    assert reporter.sort_epochs("valid", "srcc", "max") == [12, 3, 1, 2, 13]
    assert reporter.sort_values("valid", "srcc", "max") == [0.9, 0.9, 0.9, 0.8, 0.7]
    # Patience counts from the epoch that is taken.
    assert not reporter.check_early_stopping(1, "valid", "srcc", "max")


def test_a_tie_is_told_by_the_epochs_of_it(caplog):
    reporter = reporter_of({e: TIED[e] for e in (1, 2, 3, 12)})
    with caplog.at_level("INFO"):
        assert reporter.get_best_epoch("valid", "srcc", "max") == 12
        reporter.set_epoch(2)
        assert reporter.get_best_epoch("valid", "srcc", "max") == 12
    assert [r.message for r in caplog.records] == [
        "valid.srcc is 0.900 in the epochs 1, 3, 12: 12 is taken, whose loss is the "
        "lowest"
    ]


def test_without_a_tie_nothing_changes():
    epochs = {e: (1 / e, e) for e in (1, 2, 3)}
    for kind in (Reporter, TieBreakingReporter):
        for mode, expected in (("max", [1, 2, 3]), ("min", [3, 2, 1])):
            found = reporter_of(epochs, kind).sort_epochs("valid", "srcc", mode)
            assert found == expected


def test_equal_in_both_is_the_first_and_no_loss_is_the_last():
    epochs = {1: (0.5, math.nan), 2: (0.5, 0.3), 3: (0.5, 0.3)}
    assert reporter_of(epochs).sort_epochs("valid", "srcc", "max") == [2, 3, 1]


def test_the_trainer_makes_this_reporter_and_only_while_it_runs():
    with settle_ties():
        assert espnet2.train.trainer.Reporter is TieBreakingReporter
    assert espnet2.train.trainer.Reporter is Reporter


def test_a_mended_folder_links_to_the_same_epoch(tmp_path):
    reporter = reporter_of(TIED)
    states = {"model": {"w": torch.zeros(1)}, "reporter": reporter.state_dict()}
    torch.save(states, tmp_path / "checkpoint.pth")
    mend_folder(
        SimpleNamespace(
            output_dir=tmp_path,
            keep_nbest_models=1,
            best_model_criterion=[("valid", "srcc", "max")],
        )
    )
    assert os.readlink(tmp_path / "valid.srcc.best.pth") == "12epoch.pth"


def test_the_plot_marks_the_same_epoch():
    history = {e: {"valid": {"srcc": s, "mos_loss": v}} for e, (s, v) in TIED.items()}
    assert best_epoch(history, "srcc", "max") == 12
    assert best_epoch(history, "mos_loss", "min") == 2


def test_criteria_that_are_nowhere_are_refused():
    known = {"loss": [1.0], "srcc": [0.5]}
    with pytest.raises(UserError, match="by valid,srrc,max: .* loss, srcc"):
        require_criteria([("valid", "srrc", "max")], known)
    with pytest.raises(UserError, match="by vaild,srcc,max valid,acc,max: "):
        require_criteria([("vaild", "srcc", "max"), ("valid", "acc", "max")], known)
    # Sets of a few systems have no sys_srcc; figures of `train` are not at hand.
    require_criteria([("valid", "sys_srcc", "max"), ("valid", "srcc", "max")], known)
    require_criteria([("train", "acc", "max")], known)
