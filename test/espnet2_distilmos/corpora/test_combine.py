"""Sets of several corpora as one."""

import logging
import os

import numpy as np
import pytest
import soundfile
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.corpora.combine import Part, combine_sets
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.train.stats import collect_stats
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """egs2/{ann,bob}/distilmos1 with three and two clips; here is that of ann."""

    def make(corpus, dset, utts, folder="downloads", **more):
        recipe = tmp_path / "egs2" / corpus / "distilmos1"
        wavs = {}
        for i, utt in enumerate(utts):
            path = recipe / "downloads" / f"{utt}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(2000 + i, 0.1, np.float32), 16000)
            wavs[utt] = str(path) if folder is None else f"{folder}/{utt}.wav"
        DataDir(wavs, {u: 1.5 + i for i, u in enumerate(utts)}, **more).save(
            recipe / "data" / dset
        )
        return recipe

    systems = {"u1": "s1", "u2": "s1", "u3": "s2"}
    ratings = {"u1": [("L1", 1.0), ("L2", 2.0)], "u2": [("L1", 2.5)], "u3": []}
    make("ann", "train", list(systems), systems=systems, ratings=ratings)
    make("bob", "train", ["u1", "u2"], systems={"u1": "s1", "u2": "s9"})
    # An absolute path, as most corpora have them.
    make("bob", "dev", ["u3"], folder=None, systems={"u3": "s3"}, speakers={"u3": "x"})
    monkeypatch.chdir(tmp_path / "egs2/ann/distilmos1")
    make.systems = systems
    return make


OTHER = "../../bob/distilmos1"
ANN = Part("ann", "data/train")
BOB, BOB_DEV = (Part("bob", f"{OTHER}/data/{dset}", OTHER) for dset in ("train", "dev"))


def test_clips_of_a_corpus_without_scales_have_none(recipes):
    data = DataDir.load("data/train")
    data.scores = {u: {"SIG": m} for u, m in data.mos.items()}
    data.save("data/train")
    combine_sets([ANN, BOB], "data/joint")
    joint = DataDir.load("data/joint")
    assert joint.scores["ann-u2"] == {"SIG": 2.5} and joint.scores["bob-u1"] == {}
    # Another set of the same name, later, without any.
    combine_sets([BOB, BOB_DEV], "data/joint")
    assert DataDir.load("data/joint").scores is None


def test_ids_are_made_unique_and_paths_lead_to_the_audio(recipes):
    combine_sets([ANN, BOB, BOB_DEV], "data/joint")
    joint = DataDir.load("data/joint")
    assert list(joint.wavs) == [
        "ann-u1",
        "ann-u2",
        "ann-u3",
        *"bob-u1 bob-u2 bob-u3".split(),
    ]
    assert joint.mos["ann-u3"] == 3.5 and joint.mos["bob-u2"] == 2.5
    assert joint.corpora["ann-u1"] == "ann" and joint.corpora["bob-u3"] == "bob"
    assert joint.systems["ann-u1"] == "ann-s1" and joint.systems["bob-u1"] == "bob-s1"
    assert joint.speakers["bob-u1"] == "bob-u1" and joint.speakers["bob-u3"] == "bob-x"
    assert joint.ratings["ann-u1"] == [("ann-L1", 1.0), ("ann-L2", 2.0)]
    assert joint.ratings["ann-u3"] == joint.ratings["bob-u1"] == []
    assert joint.wavs["ann-u1"] == "downloads/u1.wav"
    assert joint.wavs["bob-u1"] == "../../bob/distilmos1/downloads/u1.wav"
    assert os.path.isabs(joint.wavs["bob-u3"])
    assert all(soundfile.info(path).frames >= 2000 for path in joint.wavs.values())
    stamp = read_yaml("data/joint/combined.yaml")
    assert stamp["n_clips"] == {"ann/train": 3, "bob/train": 2, "bob/dev": 1}


def test_stages_go_on_as_for_one_set(recipes):
    """Formatted, clips dropped, counted; corpora and ratings come along."""
    options = ["combine-sets", "--set", "ann", "data/train", "."]
    options += ["--set", "bob", f"{OTHER}/data/train", OTHER]
    assert cli([*options, "--output_dir", "data/j"]) == 0
    format_audio("data/j", "dump/raw/j", min_seconds=2001 / 16000)
    raw = DataDir.load("dump/raw/j")
    assert list(raw.corpora.values()) == ["ann", "ann", "bob"]  # the first is short
    assert raw.ratings == {"ann-u2": [("ann-L1", 2.5)], "ann-u3": [], "bob-u2": []}
    assert (open("dump/raw/j/utt2ratings").read()) == (
        "ann-u2 ann-L1:2.5\nann-u3 -\nbob-u2 -\n"
    )
    collect_stats("dump/raw/j", "exp/stats/j")
    stats = yaml.safe_load(open("exp/stats/j/stats.yaml"))
    assert stats["n_clips_of"] == {"ann": 2, "bob": 1}
    assert stats["n_listeners"] == 1 and stats["n_ratings"] == 1
    # Without ratings the old ones must not stay behind.
    combine_sets([BOB], "data/j")
    format_audio("data/j", "dump/raw/j")
    assert DataDir.load("data/j").ratings is DataDir.load("dump/raw/j").ratings is None


def test_nothing_is_made_again_until_a_set_changes(recipes):
    combine_sets([ANN, BOB], "data/joint")
    before = os.stat("data/joint/wav.scp").st_mtime_ns
    combine_sets([ANN, BOB], "data/joint")
    assert os.stat("data/joint/wav.scp").st_mtime_ns == before
    recipes(
        "bob",
        "train",
        ["u1", "u2", "u7"],
        systems=dict.fromkeys("u1 u2 u7".split(), "s"),
    )
    combine_sets([ANN, BOB], "data/joint")
    assert "bob-u7" in DataDir.load("data/joint").wavs


def test_systems_that_one_set_lacks_are_told(recipes, caplog):
    recipes("bob", "train", ["u1", "u2"])
    with caplog.at_level(logging.WARNING):
        combine_sets([ANN, BOB], "data/joint")
    assert DataDir.load("data/joint").systems is None
    assert (
        "bob/distilmos1/data/train: no utt2sys, so the joint set has no" in caplog.text
    )


def test_what_cannot_be_combined(recipes, tmp_path):
    with pytest.raises(UserError, match=r"clip u1 is in another .*\(ann-u1\)"):
        combine_sets(
            [ANN, Part("ann", "../distilmos1/data/train", "../distilmos1")],
            "data/joint",
        )
    with pytest.raises(
        UserError, match="data/train: is read here and would be written over"
    ):
        combine_sets([ANN, BOB], "data/train")
    with pytest.raises(UserError, match="data/more/wav.scp: cannot be read"):
        combine_sets([ANN, Part("bob", f"{OTHER}/data/more", OTHER)], "data/joint")
    (tmp_path / "egs2/bob/distilmos1/data/train/utt2mos").unlink()
    with pytest.raises(UserError, match="bob.*/data/train: has no utt2mos"):
        combine_sets([ANN, BOB], "data/joint")
    assert not os.path.exists("data/joint/wav.scp")


def test_what_the_labels_are_of_each_corpus_comes_along(recipes):
    """Also that nobody said it; new words make no set again."""
    Labels((LabelInfo("ann", "objective", "PESQ"),)).write("data/train/labels.yaml")
    for _ in range(2):
        combine_sets([ANN, BOB, BOB_DEV], "data/joint")
        format_audio("data/joint", "dump/raw/joint")
    kinds = [(i.corpus, i.kind) for i in Labels.beside("dump/raw/joint").infos]
    assert kinds == [("ann", "objective"), ("bob", "not stated")]
    dates = [
        os.stat(f).st_mtime_ns for f in ("data/joint/wav.scp", "dump/raw/joint/wav.scp")
    ]
    Labels((LabelInfo("ann", "human", "MOS"),)).write("data/train/labels.yaml")
    combine_sets([ANN, BOB, BOB_DEV], "data/joint")
    format_audio("data/joint", "dump/raw/joint")
    kinds = [(i.corpus, i.kind) for i in Labels.beside("dump/raw/joint").infos]
    assert kinds == [("ann", "human"), ("bob", "not stated")]
    assert dates == [
        os.stat(f).st_mtime_ns for f in ("data/joint/wav.scp", "dump/raw/joint/wav.scp")
    ]
