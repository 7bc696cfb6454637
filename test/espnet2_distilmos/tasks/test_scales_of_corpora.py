"""P.835 and NISQA, on miniatures: from their tables to figures of every scale."""

import csv
import json
import logging
from types import SimpleNamespace

import pytest
import yaml
from miniatures import make_miniature
from small_trainings import options

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.corpora.prepare import prepare_corpus
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.train.stats import collect_stats
from espnet2_distilmos.utils.datadir import DataDir, read_scores
from espnet2_distilmos.utils.files import read_yaml, write_yaml

SCALES = {"p835": ["SIG", "BAK"], "nisqa": ["NOI", "COL", "DIS", "LOUD"]}
TESTS = {"p835": ["test"], "nisqa": ["test_p501"]}


def without_loudness(tree):
    """Take the labels of one scale from a part of the training set and a test set."""
    for part in ("NISQA_TRAIN_LIVE", "NISQA_TEST_P501"):
        table = tree / part / f"{part}_file.csv"
        with open(table, newline="") as f:
            rows = list(csv.DictReader(f))
        with open(table, "w", newline="") as f:
            writer = csv.DictWriter(f, list(rows[0]))
            writer.writeheader()
            writer.writerows({**row, "loud": ""} for row in rows)


@pytest.mark.parametrize("corpus", SCALES)
def test_from_the_tables_to_figures(corpus, tmp_path, wavlm_conf, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = make_miniature(corpus, tmp_path / corpus, seconds=0.2)
    if corpus == "nisqa":
        without_loudness(tree)
    prepare_corpus(corpus, tree, "data")
    made = SimpleNamespace(raw=tmp_path / "raw", stats=tmp_path / "stats")
    made.upstream = tmp_path / "tiny.yaml"
    write_yaml(made.upstream, wavlm_conf("post", 3))
    for name in ("train", "valid", *TESTS[corpus]):
        format_audio(tmp_path / "data" / name, made.raw / name)
        collect_stats(made.raw / name, made.stats / name)
    counted = read_yaml(made.stats / "train/stats.yaml")["n_labels_of"]
    n_train = len(DataDir.load(made.raw / "train").wavs)
    lacking = 10 if corpus == "nisqa" else 0
    assert counted == {
        s: n_train - (lacking if s == "LOUD" else 0) for s in SCALES[corpus]
    }
    words = ["--standardize_labels", "true"]
    words += ["--predictor_conf", f"scales=[{','.join(SCALES[corpus])}]"]
    for part in ("train", "valid"):
        path = f"{made.raw / part}/utt2scores,scores,text"
        words += [f"--{part}_data_path_and_name_and_type", path]
    logger = logging.getLogger()
    level = logger.level
    try:
        DistilMOSTask.main(cmd=options(made, tmp_path / "exp/m", *words, data=()))
    finally:
        logger.setLevel(level)
    valid = read_history(tmp_path / "exp/m/checkpoint.pth")[2]["valid"]
    assert {f"{scale}_srcc" for scale in SCALES[corpus]} <= valid.keys()
    model = ["--train_config", "exp/m/config.yaml"]
    files = [*model, "--model_file", "exp/m/valid.srcc.best.pth"]
    data = ["--data_dirs", *(f"raw/{name}" for name in TESTS[corpus])]
    assert cli(["inference", *data, *files, "--output_dir", "exp/m/inf"]) == 0
    assert cli(["score-sets", *data, "--hyp_dir", "exp/m/inf", *model]) == 0
    for name in TESTS[corpus]:
        folder = tmp_path / "exp/m/inf" / name
        hyps, labels = read_scores(folder / "utt2scores"), DataDir.load(f"data/{name}")
        assert hyps.keys() == labels.scores.keys()
        assert list(next(iter(hyps.values()))) == SCALES[corpus]
        found = {
            file.parent.name: json.loads(file.read_text())["n_utt"]
            for file in (folder / "scales").glob("*/scores.json")
        }
        known = [s for s in SCALES[corpus] if (name, s) != ("test_p501", "LOUD")]
        assert found == dict.fromkeys(known, len(hyps))
    config = yaml.safe_load((tmp_path / "exp/m/config.yaml").read_text())
    assert len(config["loss_conf"]["scale_units"]) == len(SCALES[corpus])
