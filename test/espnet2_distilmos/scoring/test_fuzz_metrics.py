"""Metrics under made-up input of hypothesis."""

import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_words import QUICK, WORD

from espnet2_distilmos.scoring.metrics import is_constant
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.errors import UserError

# Few different values, so that there are ties of all sorts; and any.
VALUES = st.sampled_from([1.0, 2.0, 2.5, 3.0, 5.0]) | st.floats(0.5, 5.5, width=32)


CLIPS = st.dictionaries(
    WORD, st.tuples(VALUES, VALUES, st.sampled_from("abcdefghijklm")), min_size=1
)


def close(found, expected):
    return found is not None and found == pytest.approx(expected, abs=1e-7)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(CLIPS, st.randoms(use_true_random=False))
@example({"a": (1.0, 1.0, "a"), "b": (1.0, 2.0, "a")}, None)
@example({str(i): (i % 3 + 1.0, 2.0, "a") for i in range(9)}, None)
def test_metrics_are_those_of_scipy(clips, random):
    ref, hyp, systems = ({u: c[i] for u, c in clips.items()} for i in range(3))
    result = score(ref, hyp, systems, n_bootstrap=0)
    x, y = (np.array(list(values.values())) for values in (ref, hyp))
    utt = {name: entry["value"] for name, entry in result["utt"].items()}
    assert close(utt["mse"], np.mean((x - y) ** 2))
    if len(x) < 2 or is_constant(x) or is_constant(y):
        assert utt["lcc"] is utt["srcc"] is utt["ktau"] is None
    else:
        assert close(utt["lcc"], scipy.stats.pearsonr(x, y).statistic)
        assert close(utt["srcc"], scipy.stats.spearmanr(x, y).statistic)
        assert close(utt["ktau"], scipy.stats.kendalltau(x, y).statistic)
    names = sorted(set(systems.values()))
    means = [
        [np.mean([v[u] for u in v if systems[u] == s]) for s in names]
        for v in (ref, hyp)
    ]
    if len(names) < 10:
        assert result["sys"]["srcc"]["value"] is None
    else:
        assert close(
            result["sys"]["mse"]["value"],
            np.mean((np.array(means[0]) - np.array(means[1])) ** 2),
        )
    # JSON has no NaN; and no order of the lines matters.
    text = json.dumps(result, allow_nan=False)
    if random is not None:
        order = list(clips)
        random.shuffle(order)
        again = ({u: v[u] for u in order} for v in (ref, hyp, systems))
        assert json.dumps(score(*again, n_bootstrap=0)) == text


@QUICK
@given(CLIPS, st.integers(0, 5))
def test_intervals_hold_finite_numbers(clips, seed):
    ref, hyp, systems = ({u: c[i] for u, c in clips.items()} for i in range(3))
    result = score(ref, hyp, systems, n_bootstrap=20, seed=seed)
    for level in ("utt", "sys", "within_sys"):
        for entry in result[level].values():
            if entry["ci95"] is not None:
                low, high = entry["ci95"]
                assert np.isfinite([low, high]).all() and low <= high
            elif entry["value"] is not None:
                assert np.isfinite(entry["value"])


@QUICK
@given(CLIPS, CLIPS)
def test_other_ids_are_refused(first, second):
    ref = {u: c[0] for u, c in first.items()}
    hyp = {u: c[0] for u, c in second.items()}
    if set(ref) == set(hyp):
        assert score(ref, hyp, n_bootstrap=0)["n_utt"] == len(ref)
    else:
        with pytest.raises(UserError, match="IDs? of .* (is|are) missing in"):
            score(ref, hyp, n_bootstrap=0)
