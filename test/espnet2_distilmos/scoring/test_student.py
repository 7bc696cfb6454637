"""Student's t without scipy is that of scipy."""

import pytest
from scipy.special import stdtr, stdtrit

from espnet2_distilmos.scoring.student import student_p, student_quantile


@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 1000, 100000])
@pytest.mark.parametrize("p", [0.6, 0.975, 0.9995])
def test_quantiles(p, n):
    assert student_quantile(p, n) == pytest.approx(float(stdtrit(n, p)), rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 10, 100])
@pytest.mark.parametrize("t", [0.0, 1e-9, -0.5, 2.0, -30.0])
def test_tails(t, n):
    assert student_p(t, n) == pytest.approx(float(2 * stdtr(n, -abs(t))), rel=1e-9)
