"""The protocol and its plan: fair, whole, and the same every time."""

import csv
from pathlib import Path

import pytest
import yaml
from mini_mos.experiment.network import preparations
from mini_mos.experiment.plan import make_plan, read_ablations, write_plan
from mini_mos.experiment.runner import configuration, estimate, freeze
from mini_mos.experiment.settings import flatten, merged

from espnet2_distilmos.model.predictor import DistilMOSPredictor
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.errors import UserError
from mini_mos.experiment.place import Place
from mini_mos.experiment.protocol import read_protocol

REPO = Path(__file__).parents[3]
SHIPPED = REPO / "conf/experiment.yaml"


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    """Paths of the protocol start at a recipe, where conf/ is a link."""
    monkeypatch.chdir(REPO)


@pytest.fixture
def protocol():
    return read_protocol(SHIPPED)


def ablations(protocol):
    return read_ablations(protocol)


def chosen(protocol):
    return {name: m.variants()["g0"] for name, m in protocol.models.items()}


def test_the_shipped_plan_is_fair_and_whole(protocol):
    runs = make_plan(protocol, ablations(protocol), chosen(protocol))
    assert len({run.name for run in runs}) == len(runs)
    for model in protocol.models:
        own = [r for r in runs if r.model == model]
        assert sum(r.phase == "tune" for r in own) == 4
        final = {(r.size, r.seed) for r in own if r.phase == "main"}
        sizes = (100, 300, "all") if model in protocol.small_sizes else ("all",)
        assert final == {(n, s) for n in sizes for s in range(5)}
    tests = set(protocol.test_sets)
    for run in runs:
        assert bool(tests & set(run.sets)) == (run.phase == "main")
        assert (run.train_set == "tune_train") == (run.phase != "main")
        assert run.model == "distilmos" or run.recipe is None


def test_neural_runs_have_the_steps_of_their_size(protocol):
    runs = make_plan(protocol, ablations(protocol), chosen(protocol))
    for run in runs:
        if protocol.models[run.model].kind == "spectral":
            continue
        conf = configuration(protocol, run)
        steps = conf["max_epoch"] * conf["num_iters_per_epoch"]
        size = run.size if run.phase == "main" else "development"
        epochs = 12 if run.variant.startswith("steps_1080") else 3
        each = {100: 38, 300: 76, "all": 152, "development": 90}[size]
        assert steps == epochs * each == conf["scheduler_conf"]["max_steps"]
        assert conf["max_epoch"] == epochs
        assert conf["batch_bins"] == 200000 and conf["seed"] == run.seed


def test_every_ablation_changes_one_thing_of_the_model(protocol):
    found = ablations(protocol)
    runs = {
        r.variant: r
        for r in make_plan(protocol, found, chosen(protocol))
        if r.phase == "ablate"
    }
    assert set(runs) == {"tuned", *found}
    longer = {"max_epoch", "scheduler_conf.max_steps"}  # one thing, two keys
    for name, change in found.items():
        base = protocol.ablations["against"].get(name, "tuned")
        tuned = flatten(configuration(protocol, runs[base]))
        change = {k: v for k, v in change.items() if found.get(base, {}).get(k) != v}
        assert len(change) == 1 or set(change) == longer
        own = flatten(configuration(protocol, runs[name]))
        differ = {k for k in own.keys() | tuned.keys() if own.get(k) != tuned.get(k)}
        (key, value), *_ = change.items()
        if key.startswith("recipe."):
            recipe = {"n_clusters": 200, key.removeprefix("recipe."): value}
            assert not differ and runs[name].recipe == recipe
        else:
            assert differ - {"seed"} == set(change)
        # What is changed exists, and takes the value.
        conf = configuration(protocol, runs[name])
        UpstreamConfig.from_dict(
            {"upstream": "x", **conf.get("upstream_conf", {})}, name
        )
        DistilMOSPredictor(range(1, 7), 8, 5, **conf["predictor_conf"])
    assert runs["no_tokens"].recipe is None
    assert runs["steps_1080_no_tokens"].recipe is None


def test_a_comparison_with_an_unknown_change_is_refused(protocol):
    protocol.ablations["against"]["k_50"] = "k_60"
    with pytest.raises(UserError, match="ablations: against: no .*/k_60.yaml"):
        ablations(protocol)


def test_final_runs_wait_for_tuning(protocol):
    runs = make_plan(protocol, ablations(protocol))
    final = [r for r in runs if r.phase != "tune"]
    assert all(r.settings is None for r in final)
    with pytest.raises(UserError, match="tuning has not chosen"):
        configuration(protocol, final[0])


def test_the_data_of_a_training_set_are_prepared_once_for_each_k(protocol):
    runs = make_plan(protocol, ablations(protocol), chosen(protocol))
    made = [(r.train_set, *r.recipe.values()) for r in preparations(runs)]
    assert sorted(made, key=str) == [
        ("train", 200),
        ("train_100", 200),
        ("train_300", 200),
        ("tune_train", 200),
        ("tune_train", 200, "clean_tune_train"),
        ("tune_train", 200, 2),
        ("tune_train", 50),
        ("tune_train", 500),
    ]


def test_test_sets_are_frozen_to_the_first_settings(protocol, tmp_path):
    place = Place(Path("."), tmp_path, tmp_path)
    runs = make_plan(protocol, ablations(protocol), chosen(protocol))
    freeze(place, protocol, runs)
    freeze(place, protocol, runs)
    other = {**chosen(protocol), "sslmos": {"upstream_lr": 0.5}}
    with pytest.raises(UserError, match="touched once"):
        freeze(place, protocol, make_plan(protocol, ablations(protocol), other))


def test_time_is_guessed_before_the_first_run(protocol, tmp_path):
    place = Place(Path("."), tmp_path, tmp_path)
    runs = make_plan(protocol, ablations(protocol))
    known = estimate(place, protocol, runs)
    minutes = sum(protocol.models[r.model].minutes for r in runs)
    assert known["hours_left"] == pytest.approx(minutes / 60)
    assert known["runs_done"] == 0 and known["guessed"] == sorted(protocol.models)


def test_the_plan_is_a_table(protocol, tmp_path):
    runs = make_plan(protocol, ablations(protocol))
    write_plan(tmp_path / "plan.tsv", runs)
    with open(tmp_path / "plan.tsv") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    assert [row["run"] for row in rows] == [run.name for run in runs]
    assert rows[0]["sets"] == "tune_valid dev_speaker dev_system"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sizes": [300, 100, "all"]}, "sizes must rise"),
        ({"small_sizes": ["ghost"]}, "no model is called ghost"),
        ({"steps_per_epoch": {"all": 2}}, "steps_per_epoch: 100, 300, all and dev"),
        ({"seeds": [0, 100]}, "final seeds must not"),
        ({"out_of_domain": ["valid"]}, "must be test sets"),
        ({"comparisons": [["distilmos", "ghost"]]}, "no model is called ghost"),
        ({"seeeds": [1]}, "unknown key seeeds"),
    ],
)
def test_a_plan_that_is_not_fair_is_refused(change, message, tmp_path):
    plan = {**yaml.safe_load(SHIPPED.read_text()), **change}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    with pytest.raises(UserError, match=message):
        read_protocol(tmp_path / "plan.yaml")


def test_grids_of_different_size_are_refused(tmp_path):
    plan = yaml.safe_load(SHIPPED.read_text())
    plan["models"]["distilmos"]["grid"]["optim_conf.lr"] = [0.001, 0.002]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    with pytest.raises(UserError, match="grids of one size"):
        read_protocol(tmp_path / "plan.yaml")


def test_changes_leave_their_base_as_it_was():
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(base, {"a.b": 5}, {"e.f": 6, "a.b": 7}) == {
        "a": {"b": 7, "c": 2},
        "d": 3,
        "e": {"f": 6},
    }
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert flatten(base) == {"a.b": 1, "a.c": 2, "d": 3}
    with pytest.raises(UserError, match="d is not a mapping"):
        merged(base, {"d.x": 1})
