"""The plan of the trainings on human ratings, and the calls of the recipe."""

import contextlib
import json
import logging
import os
from pathlib import Path

import pytest

from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from mini_mos.ratings import trainings
from mini_mos.ratings.trainings import Training, copy_predictions, plan, run_all

MAIN = Path("main.pth")


def test_plan_has_every_combination_once_and_whole_seeds_first():
    planned = plan([0, 3, 1])
    assert len(set(planned)) == len(planned) == 3 * 2 * 3
    assert [t.seed for t in planned] == [0] * 6 + [3] * 6 + [1] * 6
    assert len({t.name for t in planned}) == len(planned)


def test_the_arms_differ_in_the_token_loss_alone():
    ours, without = (
        Training(m, "upstream", 4).train_args(MAIN) for m in ("distilmos", "notokens")
    )
    assert without == [*ours, "--loss_conf", "token_weight=0"]
    assert ours[ours.index("--seed") + 1] == "4"


def test_what_a_training_is_started_from():
    assert "--init_param" not in Training("distilmos", "upstream", 0).train_args(MAIN)
    spec = Training("notokens", "main", 0).train_args(MAIN)[-1]
    assert spec.startswith("main.pth:::network.predictor.readout,network.predictor.")
    part = "network.upstream.model"
    assert Training("sslmos", "main", 0).train_args(MAIN)[-1] == (
        f"main.pth:{part}:{part}"
    )


RUN = """#!/usr/bin/env python3
import json, os, sys
from pathlib import Path
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open("calls", "a") as file:
    print(json.dumps(given | {"products": os.environ["MINI_MOS_PRODUCTS"]}), file=file)
if given["--tag"].startswith(Path("fails").read_text()):
    sys.exit("Error: no room")
scores = Path("exp/cv5_system", "mos_" + given["--tag"], "inference/cv5_system")
scores.mkdir(parents=True)
(scores / "utt2mos").write_text("a 1.5\\nb 2\\n")
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe with folds, whose run.sh notes how it is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        trainings, "warm_python", lambda _: contextlib.nullcontext({"X": "1"})
    )
    Path("run.sh").write_text(RUN)
    os.chmod("run.sh", 0o755)
    Path("fails").write_text("nothing")
    folds = Path("dump", trainings.CV, "folds.yaml")
    folds.parent.mkdir(parents=True)
    folds.touch()
    MAIN.touch()
    return tmp_path


def test_every_training_is_a_call_of_the_recipe(recipe, caplog):
    todo = plan([7])
    with caplog.at_level(logging.INFO):
        run_all(todo, MAIN)
    assert len(caplog.messages) == len(todo)
    calls = [json.loads(line) for line in Path("calls").read_text().splitlines()]
    assert [c["--tag"] for c in calls] == [t.name for t in todo]
    for given, training in zip(calls, todo, strict=True):
        assert (given["--folds"], given["--stage"], given["--stop_stage"]) == (
            *("5", "5"),
            "6",
        )
        assert given["--train_config"] == trainings.MODELS[training.model][0]
        assert given["--train_args"].split() == training.train_args(MAIN)
        assert given["products"] == "bf16"
    copy_predictions(todo, "results")
    assert len(list(Path("results").iterdir())) == 6
    found = read_floats(Path("results", todo[0].name, "utt2mos"))
    assert found == {"a": 1.5, "b": 2.0}


def test_a_training_that_fails_ends_all_and_names_its_log(recipe):
    Path("fails").write_text("notokens")
    with pytest.raises(UserError, match=r"notokens_upstream_s0.log: .*no room"):
        run_all(plan([0]), MAIN)
    assert len(Path("calls").read_text().splitlines()) == 2


def test_what_has_to_be_there_first(recipe):
    with pytest.raises(UserError, match="main job"):
        run_all(plan([0]), Path("nothing.pth"))
    Path("dump", trainings.CV, "folds.yaml").unlink()
    with pytest.raises(UserError, match="--folds 5"):
        run_all(plan([0]), MAIN)
