"""The protocol and its runs: whole, chosen on development, and frozen before tests."""

from pathlib import Path

import pytest
import yaml

from espnet2_distilmos.utils.errors import UserError
from mini_mos.experiment.protocol import read_protocol
from mini_mos.experiment.runs import (
    Run,
    all_runs,
    choose,
    request_of,
    runs_of,
    train_args,
)

REPO = Path(__file__).parents[3]
SHIPPED = REPO / "conf/experiment.yaml"


@pytest.fixture
def plain():
    """Return the shipped protocol as plain types."""
    return yaml.safe_load(SHIPPED.read_text())


def read(tmp_path, plain):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plain))
    return read_protocol(path)


def test_the_shipped_protocol_compares_one_network_with_and_without_tokens():
    protocol = read_protocol(SHIPPED)
    config = yaml.safe_load((REPO / protocol.train_config).read_text())
    assert config["predictor"] == "distilmos" and "predictor_conf" in config
    # The arms differ in the loss alone.
    assert protocol.pairs[:2] == [["low_tokens", "rate"], ["tokens", "no_tokens"]]
    without = {"tokens": "no_tokens", "low_tokens": "rate_5e-5"}
    for choice, other in without.items():
        same = protocol.arms[other]
        assert not same.tokens and not same.recipe and not same.config
        for name in protocol.choices[choice]:
            arm = protocol.arms[name]
            *rest, option, weight = arm.args.split()
            assert " ".join(rest) == same.args and option == "--loss_conf"
            assert weight == f"token_weight={name.split('_')[-1]}"
            assert arm.tokens and not arm.recipe and not arm.config


def test_a_training_gets_its_seed_its_steps_and_its_arm():
    protocol = read_protocol(SHIPPED)
    assert train_args(protocol, Run("development", "rate_2e-5", 7)) == (
        "--seed 7 --num_iters_per_epoch 150 --scheduler_conf max_steps=600 "
        "--loss_conf token_weight=0 --upstream_lr 0.00002"
    )
    assert "max_steps=600 --token_kept true" in train_args(
        protocol, Run("final", "tokens_1", 0)
    )


def test_runs_of_two_phases_are_done_once():
    protocol = read_protocol(SHIPPED)
    runs = all_runs(protocol, {"tokens": "tokens_0.1"})
    assert len(runs) == len(set(runs))
    weights = runs_of(protocol, "weight", {})
    pilot = runs_of(protocol, "pilot", {"tokens": "tokens_0.1"})
    assert len(set(weights) & set(pilot)) == 2 and len(pilot) == 10
    with pytest.raises(UserError, match="phase pilot: tokens is not chosen"):
        runs_of(protocol, "pilot", {})
    assert Run("development", "no_tokens", 104) in all_runs(protocol, {})
    with pytest.raises(UserError, match="no phase none; there are weight, pilot"):
        runs_of(protocol, "none", {})


def test_the_best_arm_over_the_seeds_of_its_phase_is_chosen():
    protocol = read_protocol(SHIPPED)
    arms = protocol.choices["tokens"]
    scores = {arm: {100: 0.5, 101: 0.5} for arm in arms}
    told = {arm: {100: 0.3, 101: 0.6} for arm in arms}
    assert choose(protocol, scores, told)["tokens"] == arms[0]  # the first of equals
    scores[arms[2]] = {100: 0.4, 101: 0.61}
    # Further seeds of the pilot do not count: the others have none.
    scores[arms[3]] = {100: 0.5, 101: 0.5, 102: 0.9}
    assert choose(protocol, scores, told) == {"tokens": arms[2]}
    told[arms[2]] = {100: 0.3, 101: 0.4}  # its heads have not learned the tokens
    assert choose(protocol, scores, told) == {"tokens": arms[0]}
    assert choose(protocol, scores, {}) == {}
    del scores[arms[0]][101]
    assert choose(protocol, scores, told) == {}


@pytest.mark.parametrize(
    "change, told",
    [
        ({"choices": {"tokens": ["gone"]}}, "choices: tokens: no arm is called gone"),
        ({"pairs": [["no_tokens", "x"]]}, "pairs: no arm, choice or row is called x"),
        ({"pairs": [["no_tokens", "no_tokens"]]}, "of two arms each"),
        ({"steps": {"final": 1}}, "steps: development and final"),
        ({"phases": {"a": {"arms": ["no_tokens"], "seeds": [1, 1]}}}, "none twice"),
        ({"arms": []}, "arms: a mapping was expected"),
        ({"power": {}}, "power: missing: effect"),
        ({"primary_sets": ["test"]}, "power: sets: test were expected"),
        ({"phases": {"a": {"arms": ["no_tokens"]}}}, "phases: a"),
        ({"phases": {"a": {"arms": [], "seeds": [1]}}}, "at least one arm"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused(tmp_path, plain, change, told):
    with pytest.raises(UserError, match=told):
        read(tmp_path, {**plain, **change})


@pytest.mark.parametrize(
    "key, value, told",
    [
        ("seeds", [10, 20], r"power: seeds: the final phases have \[10, 30\]"),
        ("seeds", [10], "power: seeds: two numbers"),
        ("limit", 1, "power: alpha and limit lie between 0 and 1"),
        ("sets", {"test_speaker": {"pilot": "x"}}, "test_speaker: missing: systems"),
    ],
)
def test_a_power_that_does_not_fit_is_refused(tmp_path, plain, key, value, told):
    plain["power"][key] = value
    with pytest.raises(UserError, match=told):
        read(tmp_path, plain)


def test_a_set_without_a_pilot_is_refused(tmp_path, plain):
    plain["power"]["sets"]["test_system"]["pilot"] = "dev_sistem"
    with pytest.raises(UserError, match="pilot: dev_speaker or dev_system"):
        read(tmp_path, plain)


def test_final_seeds_are_new_ones(tmp_path, plain):
    plain["phases"]["final"] = {"arms": ["no_tokens"], "seeds": [100]}
    with pytest.raises(UserError, match="final: its seeds must not be those of other"):
        read(tmp_path, plain)


def test_a_choice_that_is_named_as_an_arm_is_done_once(tmp_path, plain):
    plain["phases"]["pilot"]["arms"] = ["tokens", "tokens_1"]
    runs = runs_of(read(tmp_path, plain), "pilot", {"tokens": "tokens_1"})
    assert len(runs) == 5
    with pytest.raises(UserError, match="is not chosen"):  # an arm that is gone
        runs_of(read(tmp_path, plain), "pilot", {"tokens": "tokens_7"})


def test_a_request_names_what_makes_a_run(monkeypatch):
    monkeypatch.chdir(REPO)
    protocol = read_protocol(SHIPPED)
    one = request_of(protocol, Run("development", "no_tokens", 1), {"data": "x"})
    assert one["data"] == "x" and one["config"]["predictor"] == "distilmos"
    other = request_of(protocol, Run("development", "standardized", 1), {"data": "x"})
    assert {k for k in one if one[k] != other[k]} == {"args", "recipe"}
