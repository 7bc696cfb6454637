"""Miniatures of the published corpora."""

import shutil
from pathlib import Path

import pytest
from miniatures import make_miniature


@pytest.fixture(scope="session")
def trees(tmp_path_factory):
    """Function: the miniature of a corpus; not to be changed."""
    top = tmp_path_factory.mktemp("trees")

    def tree(corpus: str) -> Path:
        if not (top / corpus).exists():
            make_miniature(corpus, top / corpus, seconds=0.3)
        return top / corpus

    return tree


@pytest.fixture
def copy_of(trees, tmp_path):
    """Function: a copy of a miniature that may be spoilt."""

    def copy(corpus: str) -> Path:
        return Path(shutil.copytree(trees(corpus), tmp_path / corpus))

    return copy
