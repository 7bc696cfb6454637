"""From results on disk to tables and plots, on made-up scores; nothing is trained."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from mini_mos.experiment.collect import choose, collect, prompt_of
from mini_mos.experiment.plan import make_plan, read_ablations
from mini_mos.experiment.ship import ship_rows

from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_json
from espnet2_distilmos.utils.stamp import write_stamp
from mini_mos.bin import report_experiment
from mini_mos.experiment import runner, universa
from mini_mos.experiment.place import Place
from mini_mos.experiment.protocol import read_protocol
from mini_mos.experiment.report import write_report
from mini_mos.experiment.results import read_scores_file

REPO = Path(__file__).parents[3]
NOISE = {"distilmos": 0.2, "nodistil": 2.5, "spectral_statistics": 2.0}
SETS = ("valid", "test", "test_speaker", "test_system")
DEV = ("tune_valid", "dev_speaker", "dev_system")


def read_some(protocol):
    found = read_ablations(protocol)
    return {name: found[name] for name in ("token_weight_3", "no_tokens")}


@pytest.fixture(scope="module")
def protocol():
    made = read_protocol(REPO / "conf/experiment.yaml")
    return dataclasses.replace(
        made,
        models={name: made.models[name] for name in NOISE},
        seeds=[0, 1],
        sizes=[100, "all"],
        # So few resamples tell no more than one pair on three sets.
        comparisons=[["distilmos", "nodistil"]],
        ablations={**made.ablations, "against": {"no_tokens": "token_weight_3"}},
        statistics={"n_bootstrap": 150, "seed": 0},
    )


@pytest.fixture(scope="module")
def place(protocol, tmp_path_factory):
    """Results of every run, as if they had been trained."""
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "conf").symlink_to(REPO / "conf")
    place = Place(Path("."), Path("exp"), Path("dump"))
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        labels = {}
        trained = ("train", "train_100", "tune_train")
        for name in (*SETS, *DEV, *trained):
            utts = sorted(f"en-sys{i % 5}-{name}{i // 5}" for i in range(60))
            labels[name] = {u: float(rng.uniform(1, 5)) for u in utts}
            DataDir(
                {u: f"{u}.wav" for u in utts},
                labels[name],
                {u: u.split("-")[1] for u in utts},
            ).save(Path("data") / name)
        chosen = {m: model.variants()["g1"] for m, model in protocol.models.items()}
        changes = read_some(protocol)
        for run in make_plan(protocol, changes, chosen):
            noise = NOISE[run.model]
            if run.phase == "tune" and run.variant == "g1":
                noise = 0.01
            predictions = {
                s: {u: v + noise * rng.standard_normal() for u, v in labels[s].items()}
                for s in run.sets
            }
            valid = {"mos_loss": 1.2, "srcc": 0.5}
            if run.model == "distilmos" and run.variant != "no_tokens":
                valid["token_acc"] = 0.1 if run.size == 100 else 0.2 + run.seed / 10
            curve = {"train": {"mos_loss": 1.0}, "valid": valid}
            # Not kept, since another epoch has a better SRCC.
            late = {**curve, "valid": {**valid, "srcc": 0.4, "token_acc": 0.9}}
            trees = run.model == "spectral_statistics"
            result = {
                "run": run.to_dict(),
                "seconds": 36.0,
                "history": {} if trees else {"1": curve, "2": late},
                "predictions": predictions,
            }
            write_json(place.run_dir(run) / runner.RESULT, result)
            write_stamp(
                place.stamp(run), runner.request_of(protocol, run), seconds=36.0
            )
    return folder, place, chosen


@pytest.fixture
def runs(place, protocol, monkeypatch):
    monkeypatch.chdir(place[0])
    return make_plan(protocol, read_some(protocol), place[2])


def test_everything_is_collected_and_tuning_takes_the_best(place, protocol, runs):
    scores = collect(place[1], protocol, runs)
    assert len(scores["runs"]) == len(runs) and not scores["missing"]
    assert set(scores["sets"]) == {*SETS, *DEV}
    assert scores["sets"]["test"]["prompts"][0] == "test0"
    assert choose(scores, protocol) == place[2]
    known = runner.estimate(place[1], protocol, runs)
    assert known["hours_done"] == pytest.approx(len(runs) / 100)
    assert known["hours_left"] == 0 and not known["guessed"]


def test_what_changed_counts_as_missing(place, protocol, runs):
    other = dataclasses.replace(protocol, max_frames=1)
    with pytest.raises(UserError, match="no run is done yet"):
        collect(place[1], other, runs)
    stamp = place[1].stamp(runs[0])
    text = stamp.read_text()
    stamp.unlink()
    try:
        scores = collect(place[1], protocol, runs)
        assert scores["missing"] == [runs[0].name]
        with pytest.raises(UserError, match="tuning of distilmos has not ended"):
            choose(scores, protocol)
    finally:
        stamp.write_text(text)


def test_predictions_of_other_clips_are_refused(place, protocol, runs):
    path = place[1].run_dir(runs[0]) / runner.RESULT
    text = path.read_text()
    broken = json.loads(text)
    broken["predictions"]["dev_system"].popitem()
    path.write_text(json.dumps(broken))
    try:
        with pytest.raises(UserError, match="1 ID of data/dev_system is missing"):
            collect(place[1], protocol, runs)
    finally:
        path.write_text(text)


def test_the_page_is_made_of_saved_scores_alone(place, protocol, runs, tmp_path):
    scores = collect(place[1], protocol, runs)
    write_json(tmp_path / "scores.json", scores)
    measures = {"speaker": 0.5, "token kept": 0.4, "token readable": None}
    layers = {"layer 1": measures, "layer 2": measures}
    names = ("pretrained", "distilmos/0", "distilmos/1", "no_tokens/100")
    forgetting = dict.fromkeys(names, layers)
    features = {"a few numbers": dict.fromkeys(DEV, 0.25)}
    page = write_report(
        read_scores_file(tmp_path / "scores.json"),
        protocol,
        tmp_path,
        forgetting,
        features,
    )
    assert "| a few numbers | 0.250" in page
    assert (
        "distilmos against nodistil: better on test, test_speaker, test_system" in page
    )
    assert "over nodistil out of domain: met on test_speaker, test_system" in page
    rows = [re.split(r" *\| *", line)[1:-1] for line in page.splitlines()]
    changes = {r[0]: r for r in rows if len(r) == 4 + 2 * len(DEV)}
    assert changes["tuned"][1] == changes["tuned"][5] == "–"
    assert changes["token_weight_3"][1] == "tuned"
    assert changes["no_tokens"][1] == "token_weight_3"
    a, b = (float(changes[k][4]) for k in ("no_tokens", "token_weight_3"))
    assert float(changes["no_tokens"][5].split()[0]) == pytest.approx(a - b, abs=2e-3)
    of_sets = [float(v) for v in changes["no_tokens"][4::2]]
    assert float(changes["no_tokens"][2]) == pytest.approx(np.mean(of_sets), abs=2e-3)
    assert "(Holm, 6 tests)" in page and "Not run yet" not in page
    assert "| distilmos  | layer 2 | 0.500" in page
    finals, changes = page.split("### Final runs")[1].split("### Ablations")
    assert "| distilmos " in finals and "no_tokens" not in finals
    assert "| no_tokens " in changes and "| pretrained " in changes
    for name in ("sizes", "curves", "forgetting", "forgetting_ablations"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert len(figures["tests"]) == 3
    # Holm's over the whole table: none is smaller than its own p.
    assert all(t["p_holm"] >= t["test"]["p"] for t in figures["tests"])


def test_token_accuracy_and_other_differences_stand_beside_each_effect(
    place, protocol, runs, tmp_path
):
    scores = collect(place[1], protocol, runs)
    layers = {f"layer {i}": {"token readable": 0.38 + i / 100} for i in range(3)}
    page = write_report(scores, protocol, tmp_path, {"pretrained": layers})
    assert "(a linear model reads 0.38 to 0.40 off the frozen layers)" in page
    rows = [re.split(r" *\| *", line)[1:-1] for line in page.splitlines()]
    # g1 of both grids: the rates of the heads are not the same.
    other = "optim_conf.lr 0.001 / 0.003"
    pairs = [r for r in rows if r[-2:] == ["0.25 (0.20 to 0.30)", other]]
    assert [r[0] for r in pairs if r[1] == "distilmos"] == [*protocol.test_sets]
    gains = {r[2]: r for r in rows if r[:2] == ["distilmos", "nodistil"]}
    assert gains["100"][-2:] == ["0.10", other] and gains["all"] in pairs
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]["test"]
    means = [figures["utt"]["100"][m]["value"] for m in ("distilmos", "nodistil")]
    assert float(gains["100"][3]) == pytest.approx(means[0] - means[1], abs=6e-4)
    assert f"corrected p < 0.05); **confounded**: {other}\n" in page
    changes = {r[0]: r for r in rows if len(r) == 4 + 2 * len(DEV)}
    # Means of two seeds (100 and 101); without token heads there is no accuracy.
    assert changes["token_weight_3"][3].startswith("10.25")
    assert changes["no_tokens"][3] == "–"


def test_a_comparison_at_the_same_rates_is_not_called_confounded(
    place, protocol, runs, tmp_path
):
    scores = collect(place[1], protocol, runs)
    for run in scores["runs"]:
        if run["phase"] == "main" and run["model"] == "nodistil":
            run["settings"] = {"upstream_lr": 0.0003, "optim_conf.lr": 0.001}
    page = write_report(scores, protocol, tmp_path)
    assert "distilmos against nodistil: better on" in page
    assert "**confounded**" not in page and "in a confounded" not in page


def test_shipped_rows_are_the_first_seeds_predictions(place, protocol, runs, tmp_path):
    scores = collect(place[1], protocol, runs)
    # Neither the model itself nor what the main job computes for itself.
    assert ship_rows(scores, protocol, tmp_path) == ["shipped_nodistil"]
    assert {p.name for p in tmp_path.iterdir()} == {"shipped_nodistil"}
    run = next(r for r in scores["runs"] if r["name"] == "main-nodistil-tuned-all-s0")
    for name in protocol.test_sets:
        found = read_floats(tmp_path / "shipped_nodistil" / name / "utt2mos")
        assert list(found) == scores["sets"][name]["utts"]
        assert list(found.values()) == pytest.approx(run["predictions"][name], abs=1e-6)
    note = (tmp_path / "shipped_nodistil/NOTE.txt").read_text()
    assert "without token loss; not trained here" in note and "seed 0" in note
    scores["runs"].remove(run)
    with pytest.raises(UserError, match="nodistil: no final run with seed 0"):
        ship_rows(scores, protocol, tmp_path)


def test_an_aim_that_is_missed_is_called_missed(place, protocol, runs, tmp_path):
    main = [run for run in runs if run.phase == "main"]
    scores = collect(place[1], protocol, main)
    by_name = {run["name"]: run for run in scores["runs"]}
    for name, run in by_name.items():
        if name.startswith("main-distilmos"):
            other = by_name[name.replace("distilmos", "nodistil")]
            run["predictions"] = other["predictions"]
    page = write_report(scores, protocol, tmp_path)
    assert "over nodistil out of domain: NOT met" in page
    assert "distilmos against nodistil: better on no set, worse on no set" in page


def test_files_that_are_no_scores_are_refused(tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(UserError, match="not the scores of an experiment"):
        read_scores_file(tmp_path / "scores.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_scores_file(tmp_path / "none.json")


@pytest.mark.parametrize("option", ["--forgetting", "--features"])
def test_other_files_of_results_are_refused_in_one_line(option, place, tmp_path):
    (tmp_path / "x.json").write_text('{"other": 1}')
    scores = place[0] / "whole.json"
    write_json(scores, dict.fromkeys(("environment", "sets", "runs", "missing"), []))
    protocol = ["--protocol", str(REPO / "conf/experiment.yaml")]
    given = [*protocol, "--scores", str(scores), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(UserError, match=r"x\.json: not what \w+ writes \(KeyError"):
        report_experiment.main([*given, option, str(tmp_path / "x.json")])
    with pytest.raises(UserError, match="none.json: cannot be read"):
        report_experiment.main([*given, option, str(tmp_path / "none.json")])


def test_the_prompt_is_the_last_part_of_an_id():
    assert prompt_of("en-sys001-hello_world") == "hello_world"
    with pytest.raises(UserError, match="not <speaker>-<system>-<prompt>"):
        prompt_of("hello")


def test_espnets_metrics_there_and_back(tmp_path):
    lines = universa.to_metrics({"a": 1.25, "b": 4.5})
    assert json.loads(lines["a"]) == {"mos": 1.25}
    path = tmp_path / "metric.scp"
    path.write_text("".join(f"{u} {text}\n" for u, text in lines.items()))
    assert universa.from_metrics(path) == {"a": 1.25, "b": 4.5}
    path.write_text('a {"other": 1}\n')
    with pytest.raises(UserError, match="has no number mos"):
        universa.from_metrics(path)
