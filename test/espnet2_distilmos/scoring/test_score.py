"""`score`: structure, figures, intervals and refusals."""

import json
import math
import random

import numpy as np
import pytest

from espnet2_distilmos.scoring.metrics import METRICS, all_metrics
from espnet2_distilmos.scoring.score import score, score_files
from espnet2_distilmos.utils.errors import UserError

LEVELS = ("utt", "sys", "within_sys")


def make(n_sys=12, n_clips=6, seed=0):
    """Labels, predictions and systems that correlate at every level."""
    rng = np.random.default_rng(seed)
    ref, hyp, systems = {}, {}, {}
    for s in range(n_sys):
        quality = rng.uniform(1.5, 4.5)
        for c in range(n_clips):
            utt = f"s{s:02d}-{c}"
            ref[utt] = round(8 * (quality + 0.4 * rng.normal())) / 8
            hyp[utt] = ref[utt] + 0.4 * rng.normal()
            systems[utt] = f"s{s:02d}"
    return ref, hyp, systems


def test_structure():
    result = score(*make(), n_bootstrap=50)
    assert list(result)[:5] == ["n_utt", "n_sys", "utt", "sys", "within_sys"]
    assert (result["n_utt"], result["n_sys"]) == (72, 12)
    assert result["bootstrap"] == {"n": 50, "seed": 0, "level": 0.95}
    for level in LEVELS:
        assert list(result[level]) == ["mse", "lcc", "srcc", "ktau"]
        for figure in result[level].values():
            assert set(figure) == {"value", "ci95"}
            low, high = figure["ci95"]
            assert low < figure["value"] < high
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_values():
    ref, hyp, systems = make(n_sys=10, n_clips=3)
    result = score(ref, hyp, systems, n_bootstrap=0)

    def plain(level):
        return {m: f["value"] for m, f in result[level].items()}

    x, y = np.array(list(ref.values())), np.array(list(hyp.values()))
    assert plain("utt") == pytest.approx(all_metrics(x, y))
    means = [v.reshape(10, 3).mean(axis=1) for v in (x, y)]
    assert plain("sys") == pytest.approx(all_metrics(*means))
    alone = [all_metrics(x[i : i + 3], y[i : i + 3]) for i in range(0, 30, 3)]
    for name in ("lcc", "srcc", "ktau"):
        defined = [a[name] for a in alone if a[name] is not None]
        assert plain("within_sys")[name] == pytest.approx(np.mean(defined))
        assert result["n_sys_within"][name] == len(defined)
    assert all(f["ci95"] is None for level in LEVELS for f in result[level].values())


def test_order_does_not_matter():
    ref, hyp, systems = make()
    shuffled = []
    for seed, content in enumerate((ref, hyp, systems)):
        items = list(content.items())
        random.Random(seed).shuffle(items)
        shuffled.append(dict(items))
    assert score(*shuffled, n_bootstrap=20) == score(ref, hyp, systems, n_bootstrap=20)


def test_seed():
    first, second = (score(*make(), n_bootstrap=20, seed=s) for s in (0, 1))
    for level in LEVELS:
        assert first[level]["mse"]["value"] == second[level]["mse"]["value"]
        assert first[level]["mse"]["ci95"] != second[level]["mse"]["ci95"]


def test_perfect_predictions():
    ref, _, systems = make()
    result = score(ref, ref, systems, n_bootstrap=50)
    for level in LEVELS:
        assert result[level]["mse"] == {"value": 0.0, "ci95": [0.0, 0.0]}
        for name in ("lcc", "srcc", "ktau"):
            assert result[level][name]["value"] == pytest.approx(1.0)
            assert result[level][name]["ci95"] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("n_sys,given", [(9, False), (10, True)])
def test_system_figures_need_ten_systems(n_sys, given):
    result = score(*make(n_sys=n_sys), n_bootstrap=20)
    assert result["n_sys"] == n_sys
    for name in METRICS:
        figure, within = result["sys"][name], result["within_sys"][name]
        assert (figure["value"] is not None) == given
        assert (figure["ci95"] is not None) == given
        assert within["value"] is not None
        assert (within["ci95"] is not None) == given


def test_without_systems():
    ref, hyp, _ = make()
    result = score(ref, hyp, n_bootstrap=20)
    assert result["n_sys"] is None
    for level in ("sys", "within_sys"):
        for name in METRICS:
            assert result[level][name] == {"value": None, "ci95": None}


@pytest.mark.parametrize("constant", [3.0, 3.1])
def test_constant_predictions_are_undefined_everywhere(constant):
    ref, _, systems = make(n_clips=7)
    result = score(ref, dict.fromkeys(ref, constant), systems, n_bootstrap=20)
    for level in LEVELS:
        assert result[level]["mse"]["value"] > 0
        for name in ("lcc", "srcc", "ktau"):
            assert result[level][name] == {"value": None, "ci95": None}


def test_one_utterance():
    result = score({"a": 3.0}, {"a": 2.0}, {"a": "s"})
    assert result["utt"]["mse"] == {"value": 1.0, "ci95": None}
    assert result["utt"]["srcc"] == {"value": None, "ci95": None}


def test_inputs_are_left_alone():
    inputs = make()
    copies = [dict(x) for x in inputs]
    score(*inputs, n_bootstrap=5)
    assert list(inputs) == copies


@pytest.mark.parametrize("which", [0, 1, 2])
def test_missing_ids_are_listed(which):
    inputs = list(make())
    del inputs[which]["s03-1"], inputs[which]["s04-2"]
    with pytest.raises(UserError, match="s03-1, s04-2"):
        score(*inputs)


def test_extra_ids_are_listed():
    ref, hyp, systems = make()
    hyp["zz-new"] = 3.0
    with pytest.raises(UserError, match="zz-new"):
        score(ref, hyp, systems)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7])
def test_impossible_values_are_listed(value):
    ref, hyp, systems = make()
    hyp["s03-1"] = value
    with pytest.raises(UserError, match=r"the predictions: .*s03-1 \("):
        score(ref, hyp, systems)


def test_nothing_to_score():
    with pytest.raises(UserError, match="no utterance"):
        score({}, {})


@pytest.mark.parametrize("wrong", [{"n_bootstrap": -1}, {"seed": -1}])
def test_negative_options(wrong):
    with pytest.raises(UserError, match="negative"):
        score(*make(), **wrong)


def test_score_files(tmp_path):
    inputs = make()
    paths = [tmp_path / name for name in ("ref", "hyp", "sys")]
    for path, content in zip(paths, inputs, strict=True):
        path.write_text("".join(f"{u} {v}\n" for u, v in content.items()))
    assert score_files(*paths, n_bootstrap=20) == score(*inputs, n_bootstrap=20)
    paths[1].write_text("s00-0 3.0\n")
    with pytest.raises(UserError, match=f"71 IDs of {paths[0]} are missing in"):
        score_files(*paths)
