"""What decides the weights of a training, and what does not."""

import copy
import os
import shutil

import pytest
import yaml
from planned_training import PARTS, Training

from espnet2_distilmos.train.identity import (
    NOT_DECIDING,
    request_differences,
)
from espnet2_distilmos.train.quick import asked, quick_request
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import sha256_file


def difference(old, new):
    # As YAML keeps it.
    return request_differences(yaml.safe_load(yaml.safe_dump(old)), new, {})


def test_a_record_with_the_older_name_of_a_frozen_cnn_is_of_the_same_training(training):
    for now, before in ((None, False), (0.0, True)):
        request = training.request(upstream_conf={"feature_grad_mult": now})
        old = {**request["upstream"], "freeze_cnn": before, "feature_grad_mult": None}
        assert difference({**request, "upstream": old}, request) == []
    assert difference({**request, "upstream": {**old, "freeze_cnn": False}}, request)


def test_a_record_from_before_frozen_layers_is_of_the_same_training(training):
    request = training.request()
    old = {k: v for k, v in request["upstream"].items() if k != "frozen_layers"}
    assert difference({**request, "upstream": old}, request) == []
    now = training.request(upstream_conf={"frozen_layers": 2})
    (told,) = difference({**request, "upstream": old}, now)
    assert "frozen_layers" in told


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("raw/train/utt2mos", "a 2.5\nb 3.5\n", ["labels of train"]),
        ("raw/valid/utt2mos", "c 1\n", ["labels of valid"]),
        ("raw/train/format.yaml", "audio_sha256: other\n", ["audio of train"]),
        ("raw/train/utt2sys_id", "a 0\nb 1\n", ["systems of train"]),
        ("stats/train/speech_shape", "a 160\nb 170\n", ["clips of train"]),
        ("tok/train/tokens.ark", "other tokens", ["tokens of train"]),
        (
            "tok/provenance.yaml",
            "n_clusters: 9\nlayers: [1, 2]\n",
            ["tokens n_clusters 8 -> 9"],
        ),
        ("up.pt", "other weights", ["upstream weights"]),
        (
            "conf/up.yaml",
            "upstream: wavlm_local\npath_or_url: up.pt\nfreeze: true\n",
            ["upstream freeze False -> True"],
        ),
        ("raw/train/utt2category", "a x\nb y\n", ["utt2category of train"]),
    ],
)
def test_other_content_is_another_training(training, monkeypatch, name, text, told):
    monkeypatch.chdir(training.root)
    before, quick = training.request(), quick_request(training.words())
    (training.root / name).write_text(text)
    assert difference(before, training.request()) == told
    # What a first look reads is enough to see it, but for the tokens' provenance.
    if name != "tok/provenance.yaml":
        assert quick_request(training.words()) != quick


@pytest.mark.parametrize(
    "options, told",
    [
        ({"optim_conf": {"lr": 0.01}}, ["optim_conf lr 0.001 -> 0.01"]),
        ({"optim_conf": {"lr": 0.001, "eps": 1}}, ["optim_conf eps none -> 1"]),
        ({"seed": 1, "new": True}, ["seed 0 -> 1", "new none -> True"]),
        ({"ngpu": 1}, ["device cpu -> gpu", "num_threads 1 -> None"]),
        ({"num_threads": 4}, ["num_threads 1 -> 4"]),
        ({"processes": 2}, ["processes 1 -> 2"]),
        ({"best_model_criterion": [("valid", "loss", "min")]}, None),
        ({"init_param": ["init.pth:a:b"]}, None),
        ({"upstream_conf": {"layers": [1]}}, ["upstream layers None -> [1]"]),
    ],
)
def test_other_options_are_another_training(training, monkeypatch, options, told):
    monkeypatch.chdir(training.root)
    found = difference(training.request(), training.request(**options))
    if told is None:
        assert len(found) == 1 and found[0].startswith(next(iter(options)))
    else:
        assert sorted(found) == sorted(told)


@pytest.mark.parametrize(
    "options", [{"min_steps": 400}, {"scheduler_conf": {"max_steps": "auto"}}]
)
def test_epochs_decide_where_steps_follow_from_them(training, monkeypatch, options):
    """Others make epochs of another length, or another schedule."""
    monkeypatch.chdir(training.root)
    before = training.request(**options)
    assert before == training.request(**options, patience=9)
    found = difference(before, training.request(**options, max_epoch=9))
    assert found == ["max_epoch 3 -> 9"]


def test_what_does_not_decide_the_weights(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request()
    assert before == training.request(
        num_workers=0,
        max_epoch=9,
        patience=3,
        output_dir="other",
        log_interval=1,
        resume=True,
        dist_rank=1,
    )
    # 1 and 1.0, a list of one and that one, tuples and lists are the same.
    assert not difference(
        before,
        training.request(
            best_model_criterion=["valid", "srcc", "max"],
            seed=0.0,
            optim_conf={"lr": 1.0e-3},
        ),
    )
    # Labels as numbers, tables with other blanks.
    (training.root / "raw/train/utt2mos").write_text("a 3.50\nb  3.5\n")
    provenance = training.root / "tok/provenance.yaml"
    provenance.write_text(provenance.read_text().replace("2026-11-01", "2027-01-01"))
    assert training.request() == before


def test_files_of_init_param_count_by_content(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request(init_param=["init.pth:a:b"])
    shutil.copy("init.pth", "moved.pth")
    assert training.request(init_param=["moved.pth:a:b"]) == before
    (training.root / "init.pth").write_text("others")
    assert difference(before, training.request(init_param=["init.pth:a:b"])) == [
        "init_param 1 a b"
    ]
    with pytest.raises(UserError, match="gone.pth: cannot be read"):
        training.request(init_param=["gone.pth"])


def test_a_copied_corpus_is_the_same(training, tmp_path, monkeypatch):
    """Other places, other dates; wav.scp and tokens.scp name other paths."""
    monkeypatch.chdir(training.root)
    before, words = training.request(), asked(training.words())
    quick = quick_request(training.words())
    there = Training(tmp_path / "there")
    for path in there.root.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.chdir(there.root)
    shutil.rmtree(training.root)
    assert there.request() == before
    assert quick_request(there.words()) == quick and asked(there.words()) == words


def test_audio_that_stage_1_has_not_noted_is_read(training, monkeypatch):
    monkeypatch.chdir(training.root)
    for part in PARTS:
        (training.root / f"raw/{part}/format.yaml").unlink()
    (training.root / "a.wav").write_text("sound")
    before = training.request()
    (training.root / "a.wav").write_text("another")
    assert difference(before, training.request()) == ["audio of train"]


def test_an_edited_list_is_noticed(training, monkeypatch):
    """What stage 1 has noted is of the list that it wrote."""
    monkeypatch.chdir(training.root)
    scp, stamp = (training.root / f"raw/train/{x}" for x in ("wav.scp", "format.yaml"))
    before = training.request()
    stamp.write_text(f"{stamp.read_text()}wav_scp_sha256: {sha256_file(scp)}\n")
    assert training.request() == before
    scp.write_text(scp.read_text().replace("a.wav", "b.wav"))
    assert difference(before, training.request()) == ["audio of train"]


def test_a_levelled_set_is_another(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = training.request()
    stamp = training.root / "raw/train/format.yaml"
    stamp.write_text(f"{stamp.read_text()}request: {{level_db: -26.0}}\n")
    assert difference(before, training.request()) == ["audio of train"]


def test_an_option_that_is_new_in_a_later_version_has_its_default(
    training, monkeypatch
):
    monkeypatch.chdir(training.root)
    old = training.request()
    new = copy.deepcopy(old)
    new["options"]["added"] = 5
    assert request_differences(old, new, {"added": 5}) == []
    assert request_differences(old, new, {"added": 6}) == ["added 6 -> 5"]


def test_every_option_that_decides_nothing_is_one_of_the_task():
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask

    known = vars(DistilMOSTask.get_parser().parse_args([]))
    own = {"required", "version", "distributed"}  # which ESPnet adds to them
    assert set(NOT_DECIDING) - own <= set(known)
    assert len(set(NOT_DECIDING)) == len(NOT_DECIDING)
