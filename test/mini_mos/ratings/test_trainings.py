"""The plan of the trainings on human ratings, and the processes that do them."""

import itertools
import logging
import os
import sys
from pathlib import Path

import pytest

from espnet2_distilmos.utils.datadir import read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_yaml
from mini_mos.ratings import trainings
from mini_mos.ratings.trainings import Training, join_folds, plan, run_all


def test_plan_has_every_combination_once_and_whole_seeds_first():
    planned = plan(3)
    assert len(set(planned)) == len(planned) == 3 * 2 * 3 * 5
    assert [t.seed for t in planned] == sorted(t.seed for t in planned)
    assert len({t.output for t in planned}) == len(planned)


def test_only_distilmos_is_given_tokens():
    for model in trainings.MODELS:
        options = Training(model, "upstream", 0, 1).data_options()
        assert ("--token_provenance" in options) == (model == "distilmos")
        assert any("tokens.scp" in o for o in options) == (model == "distilmos")


def test_what_a_training_is_started_from():
    main = Path("main.pth")
    probe = str(Training("distilmos", "main", 0, 2).probe)
    assert Training("sslmos", "upstream", 0, 2).init_options(main) == []
    assert Training("notokens", "upstream", 0, 2).init_options(main) == [
        *("--init_param", probe)
    ]
    # The probe last: it is what the readout keeps.
    first, last = Training("distilmos", "main", 0, 2).init_options(main)[1:]
    assert first.startswith("main.pth:::network.predictor.readout,") and last == probe


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe with two folds of two clips, and commands that write."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainings, "FOLDS", 2)
    monkeypatch.setattr(trainings, "_import_once", lambda: None)
    dump = Path("dump", trainings.CV)
    labels = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    write_lines(dump / "raw" / trainings.CV / "utt2mos", labels)
    for fold, utts in ((1, "ab"), (2, "cd")):
        test = dump / f"fold{fold}" / "raw" / "test"
        write_lines(test / "utt2mos", {u: labels[u] for u in utts})
    write_yaml(dump / "folds.yaml", {"request": {"n_folds": 2, "by": "system"}})
    Path("main.pth").touch()
    from espnet2_distilmos.bin import distilmos_inference, distilmos_train, fit_probe

    def write(options, flag, name, lines):
        folder = Path(options[options.index(flag) + 1])
        file = folder if name is None else folder / name
        write_lines(file, lines)

    monkeypatch.setattr(
        fit_probe, "main", lambda o: write(o, "--output", None, {"probe": 1})
    )
    monkeypatch.setattr(
        distilmos_train, "main", lambda o: write(o, "--output_dir", "done", {"x": 1})
    )

    def predict(options):
        raw = Path(options[options.index("--data_dirs") + 1])
        scores = read_floats(raw / "utt2mos")
        write(options, "--output_dir", "test/utt2mos", scores)

    monkeypatch.setattr(distilmos_inference, "main", predict)
    return labels


def test_everything_is_done_and_joined(recipe, caplog):
    todo = plan(1)
    with caplog.at_level(logging.INFO):
        run_all(todo, Path("main.pth"))
    assert len(caplog.messages) == len(todo)
    # One probe a fold; the commands know themselves what is whole.
    assert len(list(Path("exp").glob("*/fold*/probe/fit.log"))) == 2
    join_folds(todo, "results")
    names = {p.name for p in Path("results").iterdir()}
    wanted = itertools.product(trainings.MODELS, trainings.STARTS)
    assert names == {f"{model}_{start}_s0" for model, start in wanted}
    for name in names:
        assert read_floats(Path("results", name, "utt2mos")) == recipe


def test_a_training_that_fails_ends_all_and_names_its_log(recipe, monkeypatch):
    from espnet2_distilmos.bin import distilmos_train

    def fail(options):
        os.write(2, b"no room")
        sys.exit(3)

    monkeypatch.setattr(distilmos_train, "main", fail)
    todo = plan(1)
    with pytest.raises(UserError, match="train.log"):
        run_all(todo, Path("main.pth"))
    assert "no room" in Path(todo[0].output, "train.log").read_text()
    assert not todo[0].predictions.exists()


def test_what_has_to_be_there_first(recipe):
    with pytest.raises(UserError, match="main job"):
        run_all(plan(1), Path("nothing.pth"))
    Path("dump", trainings.CV, "folds.yaml").unlink()
    with pytest.raises(UserError, match="--folds 5"):
        run_all(plan(1), Path("main.pth"))
