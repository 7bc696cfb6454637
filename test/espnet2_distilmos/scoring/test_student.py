"""Student's t without scipy is that of scipy."""

import pytest
from scipy.special import stdtrit

from espnet2_distilmos.scoring.student import student_quantile


@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 1000, 100000])
@pytest.mark.parametrize("p", [0.6, 0.975, 0.9995])
def test_quantiles(p, n):
    assert student_quantile(p, n) == pytest.approx(float(stdtrit(n, p)), rel=1e-9)
