"""What a checkpoint remembers, and statistics before training."""

import pickle

import pytest
import torch

from espnet2_distilmos.train.history import layer_weights_of, read_history
from espnet2_distilmos.train.stats import collect_stats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def test_numbers_of_all_epochs(tmp_path):
    stats = {
        1: {"train": {"loss": 2, "time": "1 s"}, "valid": {"srcc": 0.5}},
        2: {"train": {"loss": float("nan")}, "valid": {"srcc": 0.6}},
    }
    path = tmp_path / "checkpoint.pth"
    torch.save({"reporter": {"stats": stats, "epoch": 2}, "model": {}}, path)
    assert read_history(path) == {
        1: {"train": {"loss": 2.0}, "valid": {"srcc": 0.5}},
        2: {"train": {}, "valid": {"srcc": 0.6}},
    }


def test_layer_weights():
    row = {"layer_weight_02": 0.1, "layer_weight_10": 0.7, "srcc": 0.3}
    history = {2: {"valid": row}, 1: {"valid": {**row, "layer_weight_10": 0.6}}}
    assert layer_weights_of(history) == ([2, 10], [[0.1, 0.6], [0.1, 0.7]])
    assert layer_weights_of({1: {"train": {}}, 2: {"valid": {}}}) == ([], [])


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="absent.pth: no such file; train first"):
        read_history(tmp_path / "absent.pth")
    torch.save({"model": {}}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"no zip file")
    (tmp_path / "c.pth").write_bytes(pickle.dumps({"reporter": print}))
    for name in ("a.pth", "b.pth", "c.pth"):
        with pytest.raises(UserError, match=f"{name}: not a checkpoint"):
            read_history(tmp_path / name)


def test_stats_of_a_set(corpus, tmp_path):
    collect_stats(corpus.raw / "valid", tmp_path, corpus.kmeans / "valid/tokens.scp")
    shapes = (tmp_path / "speech_shape").read_text().splitlines()
    assert shapes[0] == "valid00 6000" and shapes[9] == "valid09 10500"
    summary = read_yaml(tmp_path / "stats.yaml")
    assert (summary["n_clips"], summary["n_systems"]) == (10, 10)
    assert summary["seconds"] == {"min": 0.375, "max": 0.65625}
    assert summary["mos"]["max"] == 5.0
    assert summary["hours"] == pytest.approx(82500 / 16000 / 3600)


def test_sets_that_do_not_agree(corpus, tmp_path):
    with pytest.raises(
        UserError, match="wav.scp (is|are) missing in .*tokens.scp: valid00"
    ):
        collect_stats(
            corpus.raw / "valid", tmp_path, corpus.kmeans / "train/tokens.scp"
        )
    assert not (tmp_path / "speech_shape").exists()
