"""Training into a folder that holds weights: the same, more epochs, another."""

import logging

import pytest
from train_options import options

from espnet2_distilmos.bin.distilmos_train import main
from espnet2_distilmos.bin.training_stamp import main as look
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def train(corpus, folder, **more):
    """As the command does it, in this process."""
    root = logging.getLogger()
    level = root.level
    try:
        main(options(corpus, folder, **more))
    finally:
        root.setLevel(level)


def told(corpus, folder, capsys, **more):
    """What the recipe asks before it launches anything."""
    capsys.readouterr()
    look(["--output_dir", str(folder), "--", *options(corpus, folder, **more)])
    return capsys.readouterr().out


def state(folder):
    return {
        p.name: p.read_bytes()
        for p in folder.iterdir()
        if p.is_file() and (p.suffix == ".pth" or p.name == "config.yaml")
    }


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """One epoch; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("exp") / "one"
    train(corpus, folder, max_epoch=1)
    return folder


def test_what_is_whole_is_left_alone(trained, corpus, capsys):
    before = state(trained)
    train(corpus, trained, max_epoch=1)
    line = "already trained, nothing to do (1 epoch)\n"
    assert capsys.readouterr().out.endswith(f"{trained}: {line}")
    assert state(trained) == before
    assert told(corpus, trained, capsys, max_epoch=1) == line


def test_the_quick_look_needs_no_parsing(trained, corpus, capsys, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("options were parsed")

    from espnet2_distilmos.tasks import begin

    train(corpus, trained, max_epoch=1)
    with monkeypatch.context() as patch:
        patch.setattr(begin, "look", never)
        assert "nothing to do" in told(corpus, trained, capsys, max_epoch=1)
    # Another way to ask for the same: parsed once, then known.
    more = {"max_epoch": 1, "num_workers": 1}
    assert "nothing to do" in told(corpus, trained, capsys, **more)
    monkeypatch.setattr(begin, "look", never)
    assert "nothing to do" in told(corpus, trained, capsys, **more)


@pytest.mark.parametrize(
    "more, named",
    [
        ({"loss_conf": "token_weight=3.0"}, "loss_conf token_weight 0.3 -> 3.0"),
        (
            {"optim_conf": "lr=0.3", "seed": 8},
            "optim_conf lr 0.003 -> 0.3; seed 7 -> 8",
        ),
        ({"upstream_conf": "freeze=true"}, "upstream freeze False -> True"),
        ({"resume": "false", "accum_grad": 2}, "accum_grad 1 -> 2"),
        ({"dry_run": "true", "accum_grad": 2}, "accum_grad 1 -> 2"),
        ({"max_epoch": 9, "predictor": "sslmos"}, "predictor distilmos -> sslmos"),
    ],
)
def test_other_settings_are_refused(trained, corpus, more, named):
    before = state(trained)
    with pytest.raises(UserError, match="holds weights of another training") as error:
        train(corpus, trained, **{"max_epoch": 1, **more})
    assert named in str(error.value)
    with pytest.raises(UserError, match="holds weights of another training"):
        look(["--output_dir", str(trained), "--", *options(corpus, trained, **more)])
    assert state(trained) == before


def test_other_labels_are_refused(trained, corpus):
    labels = corpus.raw / "train/utt2mos"
    text = labels.read_text()
    rows = [line.split() for line in text.splitlines()]
    labels.write_text("".join(f"{utt} {6 - float(mos)}\n" for utt, mos in rows))
    try:
        with pytest.raises(UserError, match="differs in labels of train; train under"):
            train(corpus, trained, max_epoch=1)
    finally:
        labels.write_text(text)


def test_other_upstream_weights_are_refused_without_tokens(
    corpus, tmp_path, upstream_of, wavlm_conf
):
    plain = {"token_provenance": None, "loss_conf": "token_weight=0", "max_epoch": 1}
    train(corpus, tmp_path / "exp", **plain)
    upstream_of("post", 0)  # writes its checkpoint
    other = f"path_or_url={wavlm_conf('post', 0)['path_or_url']}"
    with pytest.raises(UserError, match="differs in upstream weights; train under"):
        train(corpus, tmp_path / "exp", **plain, upstream_conf=other)


def test_more_epochs_go_on_as_if_they_had_never_stopped(corpus, tmp_path):
    train(corpus, tmp_path / "in one", max_epoch=2)
    train(corpus, tmp_path / "in two", max_epoch=1)
    train(corpus, tmp_path / "in two", max_epoch=2)
    a, b = (state(tmp_path / name) for name in ("in one", "in two"))
    assert a["2epoch.pth"] == b["2epoch.pth"]
    history = read_history(tmp_path / "in two/checkpoint.pth")
    assert sorted(history) == [1, 2]
    record = read_yaml(tmp_path / "in two/training.yaml")
    assert record["epochs"] == 2 and record["length"]["max_epoch"] == 2
    train(corpus, tmp_path / "in two", max_epoch=1)  # fewer: nothing to do
    assert state(tmp_path / "in two") == b


def test_what_is_recorded_stands_there_before_the_first_epoch(
    corpus, tmp_path, monkeypatch
):
    """As long as there are no weights, another training can begin."""
    from espnet2_distilmos.train.trainer import DistilMOSTrainer

    def dies(**kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DistilMOSTrainer, "run", dies)
        with pytest.raises(KeyboardInterrupt):
            train(corpus, tmp_path, max_epoch=1)
    record = read_yaml(tmp_path / "training.yaml")
    assert record["request"]["options"]["seed"] == 7 and "epochs" not in record
    assert len(record["upstream_weights_sha256"]) == 64
    train(corpus, tmp_path, max_epoch=1, seed=8)
    assert read_yaml(tmp_path / "training.yaml")["request"]["options"]["seed"] == 8
