"""Long clips: where windows lie, and how they are joined."""

import numpy as np
import pytest

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.windows import Windows, stitch


@pytest.mark.parametrize("block", [1, 7, 100, 5000])
@pytest.mark.parametrize("n", [5, 100, 101, 170, 171, 180, 999])
def test_windows_cover_the_clip_whatever_the_blocks(n, block):
    clip = np.arange(n, dtype=np.float32)
    windows = Windows(unit=10, size=100, overlap=25)
    pieces = list(windows.split(clip[i : i + block] for i in range(0, n, block)))
    assert windows.hop == 70
    end = 0
    for first, samples in pieces:
        start = 10 * first
        np.testing.assert_array_equal(samples, clip[start : start + len(samples)])
        assert len(samples) <= 100 and start <= end
        end = start + len(samples)
    assert end == n
    if n <= 100:
        assert len(pieces) == 1
    else:  # the last window is moved back, and so as long as the others
        assert all(len(samples) > 90 for _, samples in pieces)
        assert [first for first, _ in pieces[:-1]] == [
            7 * i for i in range(len(pieces) - 1)
        ]


def test_windows_hold_little_of_a_long_clip():
    """An hour passes through; no window sees more than its own samples."""
    block = np.zeros(160000, np.float32)
    windows = Windows(unit=320, size=320000, overlap=64000)
    n_windows = 0
    for _, samples in windows.split(block for _ in range(360)):
        n_windows += 1
        assert samples.base is None or samples.base.size <= 3 * 320000
    assert n_windows == 225


def test_stitch_fades_linearly():
    joined = stitch([(0, np.zeros(6)), (3, np.ones(5))])
    assert joined == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1])


def test_stitching_windows_of_one_clip_gives_it_back():
    """Windows that agree leave no seam, also where three overlap."""
    frames = np.random.default_rng(0).standard_normal(2000)
    pieces = [(i, frames[i : i + 999]) for i in (0, 800, 1001)]
    np.testing.assert_allclose(stitch(pieces), frames, atol=1e-12)


def test_a_long_clip_has_all_its_frames(engine, tools):
    for n in (320001, 330000, 700123):
        result = engine(tools.speech(n / 16000))
        assert len(result["frame_mos"]) == engine.network.upstream.frame_count(n)
        assert result["mos"] == pytest.approx(result["frame_mos"].mean(), abs=1e-6)


def test_windows_stay_near_the_whole_clip(tiny_model, engine, tools):
    """With random weights, so only roughly; doc/scoring.md has measured figures."""
    whole = DistilMOSInference(
        tiny_model / "config.yaml", tiny_model / "model.pth", window_seconds=None
    )
    clip = tools.speech(50.0)
    a, b = engine(clip), whole(clip)
    assert a["mos"] == pytest.approx(b["mos"], abs=0.02)
    assert len(a["frame_mos"]) == len(b["frame_mos"])


def test_a_stream_scores_as_the_same_clip_in_memory(engine, tools):
    clip = tools.speech(61.7)
    blocks = (clip[i : i + 160000] for i in range(0, len(clip), 160000))
    mos, frames, _ = engine.score_stream(blocks)
    result = engine(clip)
    assert mos == pytest.approx(result["mos"], abs=1e-5)
    np.testing.assert_allclose(frames, result["frame_mos"], atol=1e-5)
