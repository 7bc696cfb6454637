"""A training that is asked for."""

import pytest
from planned_training import Training


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path / "here")
