"""Scores of one clip compared, whoever gave them."""

import numpy as np


def same(a, b, most=1e-6):
    """Check that two results are the same, but for `most` MOS."""
    assert abs(a["mos"] - b["mos"]) <= most
    assert a.keys() == b.keys()
    for scale, value in a.get("scores", {}).items():
        assert abs(value - b["scores"][scale]) <= most
    assert a["frame_mos"].shape == b["frame_mos"].shape
    assert np.abs(a["frame_mos"] - b["frame_mos"]).max() <= most
    assert a["frame_mos"].dtype == b["frame_mos"].dtype == np.float32
    assert a["frame_shift"] == b["frame_shift"] and a["warnings"] == b["warnings"]
