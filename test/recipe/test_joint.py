"""Joint training over two corpora, from their recipes' data to a trained model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from hostile import IDS, PATHS, harmed

from espnet2_distilmos.utils.datadir import DataDir

REPO = Path(__file__).parents[2]
TEMPLATE = REPO / "egs2/TEMPLATE/distilmos1"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DATA_SH = "#!/bin/sh\ntouch prepared\n"  # what it would make is there already


def make_recipe(folder, corpus, sets, bias, ratings=False):
    """A recipe whose stage 1 has its data: noise, louder is better, plus `bias`."""
    recipe = folder / "egs2" / corpus / "distilmos1"
    shutil.copytree(TEMPLATE, recipe)
    shutil.copytree(REPO / "conf", recipe / "conf")
    (recipe / "path.sh").unlink()
    (recipe / "path.sh").symlink_to(REPO / "path.sh")
    (recipe / "local").mkdir()
    (recipe / "local/data.sh").write_text(DATA_SH)
    (recipe / "local/data.sh").chmod(0o755)
    (recipe / "downloads").mkdir()
    rng = np.random.default_rng(len(corpus))
    for dset, n in sets.items():
        wavs, mos, systems = {}, {}, {}
        for i in range(n):
            # No ID or path may mean anything to a shell.
            utt, loudness = IDS[i % len(IDS)] + f"{dset}{i:02d}", (i + 1) / n
            wavs[utt] = f"downloads/{PATHS[i % len(PATHS)]}{dset}{i:02d}.wav"
            samples = 0.3 * loudness * rng.standard_normal(8000)
            soundfile.write(recipe / wavs[utt], samples, 16000)
            mos[utt] = 2 + 2 * loudness + bias
            systems[utt] = f"s{i % 4}"
        data = DataDir(wavs, mos, systems)
        if ratings:
            data.ratings = {u: [("L1", m - 1), ("L2", m + 1)] for u, m in mos.items()}
        data.save(recipe / "data" / dset)
    return recipe


def run(recipe, *args):
    """distilmos.sh of a recipe."""
    return subprocess.run(
        ["./distilmos.sh", "--ngpu", "0", "--test_sets", "test", *args],
        cwd=recipe,
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


TRAIN = (
    *("--train_sets", "ann/train bob/train", "--valid_sets", "ann/dev  bob/dev"),
    *("--train_config", "conf/train_sslmos.yaml"),
    *("--upstream", "conf/upstream/fbank.yaml"),
)
ARGS = "--max_epoch 1 --num_workers 0 --corpus_offset true --listeners true"


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """Recipe `ann`, beside which is `bob`."""
    folder = tmp_path_factory.mktemp("joint")
    make_recipe(folder, "bob", {"train": 8, "dev": 6}, 0.5, ratings=True)
    ann = make_recipe(folder, "ann", {"train": 10, "dev": 6, "test": 4}, -0.5)
    (ann / "local/labels.yaml").write_text(
        "labels: [{corpus: ann, kind: objective, name: PESQ}]\n"
    )
    return ann


def test_two_corpora_train_one_model(ann):
    done = run(ann, *TRAIN, "--train_args", ARGS, "--stop_stage", "5")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    joint = DataDir.load(ann / "dump/raw/ann_train+bob_train")
    assert len(joint.wavs) == 18 and set(joint.corpora.values()) == {"ann", "bob"}
    assert len(DataDir.load(ann / "dump/raw/ann_dev+bob_dev").wavs) == 12
    assert len(DataDir.load(ann / "dump/raw/test").wavs) == 4
    (exp,) = (ann / "exp").glob("mos_*")
    assert exp.name.startswith("mos_train_sslmos_fbank_ann_train+bob_train_max_epoch1")
    config = yaml.safe_load((exp / "config.yaml").read_text())
    assert config["predictor_conf"] == {
        "corpora": ["ann", "bob"],
        "listeners": ["bob-L1", "bob-L2"],
    }
    assert config["label_conf"] == [
        {"corpus": "ann", "kind": "objective", "name": "PESQ"},
        {"corpus": "bob", "kind": "not stated"},  # its recipe does not say
    ]
    assert (exp / "valid.srcc.best.pth").exists()
    log = (exp / "train.log").read_text()
    assert not harmed(ann.parents[2])
    assert "srcc_ann=" in log and "srcc_bob=" in log and "corpus_offset_bob=" in log


NO_BOB = "../../bob/distilmos1/local/data.sh makes no such set, there are: dev train"


@pytest.mark.parametrize(
    "name, message",
    [
        ("bob/more", NO_BOB),
        ("bob/", NO_BOB),
        ("more", "./local/data.sh makes no such set, there are: dev test train"),
        ("cid/train", "no recipe for corpus 'cid', there are: ann bob"),
        ("a/b/c", "no recipe for corpus 'a', there are: ann bob"),
        ("../train", "no recipe for corpus '..', there are: ann bob"),
        ("/train", "no recipe for corpus '', there are: ann bob"),
    ],
)
def test_a_set_that_is_not_there_is_refused(tmp_path, name, message):
    make_recipe(tmp_path, "bob", {"train": 1, "dev": 1}, 0)
    ann = make_recipe(tmp_path, "ann", {"train": 1, "dev": 1, "test": 1}, 0)
    done = run(ann, *TRAIN[2:], "--train_sets", f"train {name}", "--stop_stage", "1")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith(f"set {name}: {message}")


def test_the_other_recipe_prepares_its_set(ann):
    script = ann / "../../bob/distilmos1/local/data.sh"
    script.write_text("#!/usr/bin/env bash\ncp -r data/dev data/late\n")
    done = run(
        ann, *TRAIN[2:], "--train_sets", "ann/train bob/late", "--stop_stage", "1"
    )
    script.write_text(DATA_SH)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(DataDir.load(ann / "dump/raw/ann_train+bob_late").wavs) == 16
