"""Test sets are predicted under one plan, wherever the experiment goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from espnet2_distilmos.utils.errors import UserError
from mini_mos.experiment.frozen import FROZEN, freeze, frozen_plan
from mini_mos.experiment.place import Place
from mini_mos.experiment.protocol import read_protocol
from mini_mos.experiment.report import withheld
from mini_mos.experiment.runs import runs_of

REPO = Path(__file__).parents[3]
OTHER = "test sets were predicted with other settings"


@pytest.fixture
def protocol():
    return read_protocol(REPO / "conf/experiment.yaml")


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "exp", tmp_path / "dump", tmp_path / "data")
    place.expdir.mkdir()
    return place


@pytest.fixture
def sets(protocol):
    """What the protocol says of the test sets."""
    return {
        name: {
            "utts": [f"u{i}" for i in range(planned.clips)],
            "systems": [f"s{i % planned.systems}" for i in range(planned.clips)],
            "prompts": [f"p{i % planned.prompts}" for i in range(planned.clips)],
        }
        for name, planned in protocol.power.sets.items()
    }


def test_another_plan_is_refused(place, protocol, sets):
    chosen = {"rate": "rate_5e-5", "low_tokens": "low_tokens_1"}
    first = runs_of(protocol, "final", chosen)
    assert {run.part for run in first} == {"final"}
    digests = {run.name: "x" for run in first}
    freeze(place, protocol, digests, sets)
    freeze(place, protocol, digests, sets)
    with pytest.raises(UserError, match=OTHER):  # of another corpus, say
        freeze(place, protocol, {**digests, first[0].name: "y"}, sets)
    fewer = replace(protocol, pairs=protocol.pairs[:-1])
    with pytest.raises(UserError, match=OTHER):
        freeze(place, fewer, digests, sets)


def test_the_plan_goes_with_the_scores(place, protocol, sets, tmp_path):
    freeze(place, protocol, {"a_s0": "x"}, sets)
    known = {"frozen": frozen_plan(place), "runs": [{"part": "final"}]}
    other = replace(place, expdir=tmp_path / "other")
    other.expdir.mkdir()
    with pytest.raises(UserError, match=OTHER):
        freeze(other, protocol, {"a_s0": "y"}, sets, known)
    freeze(other, protocol, {"a_s0": "x"}, sets, known)
    # It is kept here as well, where the scores may be left out the next time.
    with pytest.raises(UserError, match=OTHER):
        freeze(other, protocol, {"a_s0": "y"}, sets)
    with pytest.raises(UserError, match="another plan than that of --known"):
        frozen_plan(other, {**known, "frozen": {"runs": {}}})
    with pytest.raises(UserError, match="final runs without the plan"):
        frozen_plan(other, {"runs": [{"part": "final"}]})
    assert frozen_plan(other, {"runs": [{"part": "development"}]}) == known["frozen"]


def test_sets_that_are_not_those_of_the_protocol_are_refused(place, protocol, sets):
    small = {name: {k: v[:9] for k, v in own.items()} for name, own in sets.items()}
    with pytest.raises(UserError, match="test_speaker: 9 systems, 9 prompts, 9 clips"):
        freeze(place, protocol, {"a_s0": "x"}, small)
    assert not (place.expdir / FROZEN).exists()


def test_runs_of_the_hypotheses_are_counted_until_all_are_done(protocol):
    planned = {"tokens_1_s0": "a", "rate_5e-5_s0": "b", "rate_5e-5_s1": "c"}
    scores = {
        "frozen": {"runs": {**planned, "no_tokens_s0": "d"}},
        "chosen": {"low_tokens": "tokens_1", "rate": "rate_5e-5"},
    }
    for done, left in (("", 3), ("ab", 1), ("abd", 1)):
        runs = [{"identity": i} for i in done]
        why = withheld({**scores, "runs": runs}, protocol)
        assert f"{left} planned run" in why
    runs = [{"identity": i} for i in "abc"]
    assert withheld({**scores, "runs": runs}, protocol) is None
    # Where it is not known which runs are of the hypotheses, none counts as done.
    for unknown in ({"chosen": {}}, {"frozen": {"runs": {}}}):
        why = withheld({**scores, "runs": runs, **unknown}, protocol)
        assert "the arms of the hypotheses" in why
