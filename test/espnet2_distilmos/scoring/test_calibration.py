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


def test_between_scales_it_is_drawn_to_the_map_of_their_ends():
    scales = {"predictions": [1.0, 5.0], "labels": [0.0, 100.0]}
    ends = pair(5, 25.0, -25.0)
    found = fit_calibration(*ends, scales=scales)
    assert not found.refused and found(1.0) == pytest.approx(0)
    assert found(5.0) == pytest.approx(100)
    assert found.sentence() == (
        "calibrated: -25.000 +25.000 x prediction, fitted on 5 validation clips (drawn "
        "towards the map of 1 to 5 to 0 to 100 as by 10 more)"
    )
    # A third of the way to the line, as on one scale; a tenth of a scale is refused.
    found = fit_calibration(*pair(5, 40.0, -70.0), scales=scales)
    assert found.slope == pytest.approx(25 + (40 - 25) / 3)
    assert found(3.0) == pytest.approx(50)
    assert fit_calibration(*pair(20, 2.5, 0.0), scales=scales).refused
    assert fit_calibration(*ends).refused  # where no scale is recorded


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
