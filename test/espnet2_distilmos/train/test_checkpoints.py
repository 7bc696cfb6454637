"""Checkpoints that are whole or not there, and a folder that agrees with them."""

import os
from types import SimpleNamespace

import pytest
import torch
from espnet2.train.reporter import Reporter

from espnet2_distilmos.train.checkpoints import (
    check_init_param,
    mend_folder,
    save_whole_files,
)
from espnet2_distilmos.utils.errors import UserError

SRCC = {1: 0.1, 2: 0.5, 3: 0.4, 4: 0.3}


def weights(epoch):
    return {"w": torch.full((3,), float(epoch))}


@pytest.fixture
def exp(tmp_path):
    """A training's folder after epoch 4, of which the second is the best."""
    reporter = Reporter()
    for epoch, value in SRCC.items():
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            sub.register({"srcc": value})
            sub.next()
    for epoch in (2, 3):
        torch.save(weights(epoch), tmp_path / f"{epoch}epoch.pth")
    states = {"model": weights(4), "reporter": reporter.state_dict()}
    torch.save(states, tmp_path / "checkpoint.pth")
    torch.save(weights(4), tmp_path / "4epoch.pth")
    (tmp_path / "latest.pth").symlink_to("4epoch.pth")
    (tmp_path / "valid.srcc.best.pth").symlink_to("2epoch.pth")
    return tmp_path


def options(folder, most=2):
    return SimpleNamespace(
        output_dir=folder,
        keep_nbest_models=most,
        best_model_criterion=[("valid", "srcc", "max"), ("valid", "none", "max")],
    )


def state(folder):
    return {
        p.name: os.readlink(p) if p.is_symlink() else p.read_bytes()
        for p in folder.iterdir()
    }


def test_a_folder_in_order_is_left_alone(exp):
    before = state(exp)
    mend_folder(options(exp))
    assert state(exp) == before


def test_no_checkpoint_no_mending(tmp_path):
    mend_folder(options(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_undone_after_the_checkpoint_is_done(exp):
    (exp / "4epoch.pth").unlink()
    (exp / "latest.pth").unlink()
    (exp / "latest.pth").symlink_to("3epoch.pth")
    (exp / "valid.srcc.best.pth").unlink()
    torch.save(weights(1), exp / "1epoch.pth")  # none of the best
    mend_folder(options(exp))
    assert torch.equal(torch.load(exp / "4epoch.pth")["w"], weights(4)["w"])
    assert os.readlink(exp / "latest.pth") == "4epoch.pth"
    assert os.readlink(exp / "valid.srcc.best.pth") == "2epoch.pth"
    assert not (exp / "1epoch.pth").exists()
    assert {p.name for p in exp.glob("*epoch.pth")} == {
        *("2epoch.pth", "3epoch.pth", "4epoch.pth")
    }


@pytest.mark.parametrize("date", [1, 2**31], ids=["older", "clock was ahead"])
@pytest.mark.parametrize("left", ["other", "cut", "empty"])
def test_a_model_of_another_training_is_replaced(exp, date, left):
    """Whatever its date says."""
    model = exp / "4epoch.pth"
    torch.save(weights(9), model)
    if left != "other":
        model.write_bytes(model.read_bytes()[: 300 if left == "cut" else 0])
    os.utime(model, (date, date))
    mend_folder(options(exp))
    assert torch.equal(torch.load(model)["w"], weights(4)["w"])
    before = model.stat().st_ino
    mend_folder(options(exp))
    assert model.stat().st_ino == before


@pytest.mark.parametrize("n", [0, 2, 500])
def test_a_cut_checkpoint_is_refused_by_name(exp, n):
    content = (exp / "checkpoint.pth").read_bytes()
    (exp / "checkpoint.pth").write_bytes(content[:n])
    with pytest.raises(UserError, match="checkpoint.pth: no checkpoint that training"):
        mend_folder(options(exp))


def test_a_save_that_fails_leaves_the_older_file(tmp_path):
    path = tmp_path / "x.pth"
    save = torch.save
    with save_whole_files():
        torch.save(weights(1), path)
        with pytest.raises(Exception, match="pickle"):
            torch.save({"w": torch.ones(9), "bad": lambda: None}, path)
        torch.save(weights(2), str(tmp_path / "y.pth"))
    assert torch.save is save
    assert torch.equal(torch.load(path)["w"], weights(1)["w"])
    assert {p.name for p in tmp_path.iterdir()} == {"x.pth", "y.pth"}


def test_the_same_weights_are_the_same_bytes(tmp_path):
    with save_whole_files():
        for name in ("a.pth", "b.pth"):
            torch.save(weights(1), tmp_path / name)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_training_does_not_go_on_from_nan(exp):
    states = torch.load(exp / "checkpoint.pth", weights_only=True)
    states["model"]["w"][1] = float("nan")
    torch.save(states, exp / "checkpoint.pth")
    with pytest.raises(UserError, match=r"checkpoint.pth: NaN or Inf in w \(1 tensor"):
        mend_folder(options(exp))


def test_training_does_not_go_on_from_a_flipped_bit(exp):
    path = exp / "checkpoint.pth"
    content = bytearray(path.read_bytes())
    content[content.index(weights(4)["w"].numpy().tobytes()) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="checkpoint.pth: damaged: the checksum"):
        mend_folder(options(exp))


def test_init_param(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(weights(1), path)
    check_init_param([str(path), f"{path}:w:w"])
    with pytest.raises(UserError, match="none.pth: no such file"):
        check_init_param([f"{tmp_path}/none.pth:a:b"])
    torch.save({"w": torch.tensor([1.0, float("inf")])}, path)
    with pytest.raises(UserError, match="x.pth: NaN or Inf in w"):
        check_init_param([f"{path}:w:w"])
    path.write_text("text")
    with pytest.raises(UserError, match="x.pth: no file of weights"):
        check_init_param([str(path)])
