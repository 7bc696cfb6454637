"""Stages 2 and 3 whole, in one process; the recipes share them out over jobs."""

from typing import Any

from espnet2_distilmos.tokens.frames import FrameDump
from espnet2_distilmos.tokens.kmeans import Clustering
from espnet2_distilmos.tokens.labels import Labelling


def dump_frames(*args: Any, **kwargs: Any) -> None:
    """Run all of stage 2; arguments of :class:`FrameDump`."""
    _do(FrameDump(*args, **kwargs))


def train_kmeans(*args: Any, **kwargs: Any) -> None:
    """Run all of the clustering; arguments of :class:`Clustering`."""
    _do(Clustering(*args, **kwargs))


def write_tokens(*args: Any, **kwargs: Any) -> None:
    """Run all of the labelling; arguments of :class:`Labelling`."""
    _do(Labelling(*args, **kwargs))


def _do(work: Any) -> None:
    work.run()
    work.combine()
