"""The constant row, and the sentence on a model that does or does not beat it."""

import pytest

from espnet2_distilmos.report.constant import (
    BETTER,
    NOT_BETTER,
    UNDECIDED,
    compare_files,
    compare_with_constant,
    constant,
)
from espnet2_distilmos.utils.errors import UserError

REF = {f"u{i:02d}": 1.0 + i % 5 for i in range(20)}  # mean 3, variance 2


def test_the_constant_is_the_mean_of_the_training_labels():
    assert constant({"a": 1.0, "b": 2.0, "c": 4.5}, ["x", "y"]) == {"x": 2.5, "y": 2.5}


def test_a_good_model_is_better_by_so_much():
    found = compare_with_constant(REF, {u: v + 0.5 for u, v in REF.items()}, 3.0)
    assert (found.n_utt, found.mse, found.constant_mse) == (20, 0.25, 2.0)
    assert found.gain == 1.75 and found.verdict == BETTER
    low, high = found.interval
    assert 0 < low < 1.75 < high
    assert found.sentence("mos_x") == (
        "mos_x is better than the constant: its MSE is lower by 1.750 "
        f"[{low:.3f}, {high:.3f}] (MSE 0.250 against 2.000, 20 clips)."
    )


def test_a_bad_model_is_told_plainly():
    """The case that went unsaid: order kept, values one and a half too high."""
    found = compare_with_constant(REF, {u: v + 1.5 for u, v in REF.items()}, 3.0)
    assert found.verdict == NOT_BETTER and found.gain == -0.25
    said = found.sentence("mos_x")
    assert (
        "mos_x is **not better than the constant**: its MSE is higher by 0.250" in said
    )
    low, high = found.interval
    assert f"[{-high:.3f}, {-low:.3f}]" in said and -high <= 0.25 <= -low


def test_a_small_gain_may_be_chance():
    hyp = {u: 3.0 + (0.3 if i % 2 else -0.28) for i, u in enumerate(REF)}
    ref = {u: 3.0 + (1.0 if i in (1, 3, 6, 9, 11) else -1.0) for i, u in enumerate(REF)}
    found = compare_with_constant(ref, hyp, 3.0)
    assert found.gain > 0 > found.interval[0] and found.verdict == UNDECIDED
    assert "is not shown to be better than the constant" in found.sentence("m")
    assert "which may be chance" in found.sentence("m")


def test_the_same_as_the_constant_is_not_better():
    found = compare_with_constant(REF, dict.fromkeys(REF, 2.5), 2.5)
    assert found.gain == 0 and found.verdict == NOT_BETTER


def test_one_clip_has_no_interval():
    found = compare_with_constant({"a": 2.0}, {"a": 2.1}, 3.0)
    assert found.interval is None and found.verdict == UNDECIDED
    assert "lower by 0.990, which may be chance" in found.sentence("m")


def test_files_of_other_clips_are_refused(tmp_path):
    for name, text in (
        ("ref", "a 1\nb 2\n"),
        ("hyp", "a 1\nc 2\n"),
        ("constant", "a 3\nb 3\n"),
    ):
        (tmp_path / name).write_text(text)
    ref, hyp, value = (tmp_path / n for n in ("ref", "hyp", "constant"))
    with pytest.raises(UserError, match="hyp: b"):
        compare_files(ref, hyp, value)
    with pytest.raises(UserError, match="ref: 2 values, one for all was expected"):
        compare_files(ref, ref, ref)
    assert compare_files(ref, ref, value).mse == 0
