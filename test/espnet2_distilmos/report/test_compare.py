"""Pairs of models on sets: levels, figures, correction, table."""

import numpy as np
import pytest

from espnet2_distilmos.report.compare import compare_set, correct, differences_table
from espnet2_distilmos.scoring.metrics import mse, srcc
from espnet2_distilmos.utils.errors import UserError


def data(n_sys=12, seed=0):
    rng = np.random.default_rng(seed)
    labels, systems = {}, {}
    hyps = {"good": {}, "fair": {}, "bad": {}}
    for s in range(n_sys):
        quality = rng.uniform(1.5, 4.5)
        for c in range(5):
            utt = f"s{s:02d}-{c}"
            labels[utt], systems[utt] = quality + 0.3 * rng.normal(), f"s{s:02d}"
            for hyp, noise in zip(hyps.values(), (0.2, 0.5, 3.0)):
                hyp[utt] = labels[utt] + noise * rng.normal()
    return labels, systems, hyps


def test_every_pair_at_both_levels():
    labels, systems, hyps = data()
    found = correct(compare_set("x", labels, systems, hyps, ("srcc", "mse"), 200))
    pairs = [("good", "fair"), ("good", "bad"), ("fair", "bad")]
    assert [(c.level, c.metric, c.test.a, c.test.b) for c in found] == [
        (level, metric, *pair)
        for level in ("utt", "sys")
        for metric in ("srcc", "mse")
        for pair in pairs
    ]
    ref = np.array(list(labels.values()))
    good, bad = (np.array(list(hyps[m].values())) for m in ("good", "bad"))
    assert found[1].value_a == pytest.approx(srcc(ref, good))
    assert found[1].value_b == pytest.approx(srcc(ref, bad))
    assert found[1].test.difference == pytest.approx(srcc(ref, good) - srcc(ref, bad))
    assert found[1].test.p == pytest.approx(2 / 201)
    means = [x.reshape(12, 5).mean(1) for x in (ref, good, bad)]
    expected = mse(means[0], means[1]) - mse(means[0], means[2])
    assert found[10].test.difference == pytest.approx(expected)
    assert all(c.p_holm >= c.test.p for c in found)
    assert found[1].p_holm == pytest.approx(min(1, 12 * 2 / 201), abs=0.05)


def test_order_of_the_input_does_not_matter():
    labels, systems, hyps = data()
    backwards = dict(reversed(labels.items()))
    assert compare_set("x", labels, systems, hyps, n_bootstrap=50) == compare_set(
        "x", backwards, systems, hyps, n_bootstrap=50
    )


def test_few_systems_and_one_model():
    labels, systems, hyps = data(n_sys=9)
    found = compare_set("x", labels, systems, hyps, n_bootstrap=20)
    assert {c.level for c in found} == {"utt"}
    assert {c.level for c in compare_set("x", labels, None, hyps, n_bootstrap=20)} == {
        "utt"
    }
    assert compare_set("x", labels, None, {"a": hyps["bad"]}, n_bootstrap=20) == []


def test_ids_must_agree():
    labels, systems, hyps = data()
    del hyps["fair"]["s03-1"]
    with pytest.raises(UserError, match="missing in the predictions of fair: s03-1"):
        compare_set("x", labels, systems, hyps, n_bootstrap=20)


def test_table():
    labels, systems, hyps = data()
    found = correct(compare_set("x", labels, systems, hyps, n_bootstrap=200))
    text = differences_table(found, 200, 0)
    assert "the 6 tests of this table" in text
    assert f"allow no less than {6 * 2 / 201:.2g}." in text
    rows = [r for r in text.splitlines() if r.startswith("| x ")]
    assert len(rows) == 6
    t = found[0].test
    shown = f"{t.difference:.3f} [{t.ci95[0]:.3f}, {t.ci95[1]:.3f}]"
    assert f"| {shown} " in rows[0] and "utterance" in rows[0]
    assert found[0].to_dict()["a"] == "good"
    assert found[0].to_dict()["p_holm"] == found[0].p_holm
