"""The affine map from predictions to labels: its fit, and when there is none."""

import numpy as np
import pytest

from espnet2_distilmos.scoring.calibration import fit_calibration
from espnet2_distilmos.utils.errors import UserError


def pair(n, slope, intercept, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = np.linspace(2, 4, n)
    y = intercept + slope * x + noise * rng.standard_normal(n)
    ids = [f"u{i:04d}" for i in range(n)]
    return dict(zip(ids, y)), dict(zip(ids, x))


def test_many_clips_give_nearly_the_fitted_line():
    found = fit_calibration(*pair(1000, 2.0, -3.5, 0.1))
    assert not found.refused
    assert found.slope == pytest.approx(2.0, abs=0.03)
    assert found(3.0) == pytest.approx(2.5, abs=0.02)


def test_few_clips_are_drawn_towards_no_change():
    """n / (n + 10) of the way: a third for 5 clips."""
    found = fit_calibration(*pair(5, 2.0, -3.5))
    assert found.slope == pytest.approx(1 + (2 - 1) / 3)
    assert found(3.0) == pytest.approx(3 - 0.5 / 3)  # the fitted line has 2.5 there
    assert found.sentence() == (
        "calibrated: -1.167 +1.333 x prediction, fitted on 5 validation clips (drawn "
        "towards no change as by 10 more)"
    )


@pytest.mark.parametrize(
    "data, why",
    [
        (pair(4, 1.0, 0.5), "4 validation clips are too few"),
        (pair(20, -1.0, 6.0), "slope of labels on predictions is -1.000 on 20"),
        (pair(20, 0.1, 3.0), "is 0.100 on 20 validation clips, outside 0.2 to 5"),
        (pair(20, 9.0, -24.0), "is 9.000"),
    ],
)
def test_a_fit_that_is_not_sensible_is_refused(data, why):
    found = fit_calibration(*data)
    assert why in found.refused and found(3.21) == 3.21
    assert found.sentence().startswith("not calibrated, though it was asked for: ")


def test_constant_predictions_are_refused():
    ref, hyp = pair(20, 1.0, 0.0)
    found = fit_calibration(ref, dict.fromkeys(hyp, 3.0))
    assert "are the same" in found.refused


def test_other_clips_are_an_error():
    ref, hyp = pair(9, 1.0, 0.0)
    del hyp["u0003"]
    with pytest.raises(UserError, match="u0003"):
        fit_calibration(ref, hyp)
