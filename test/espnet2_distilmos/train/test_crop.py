"""Crops: what is cut, that tokens stay those of their frames, and what is drawn."""

import pickle

import numpy as np
import pytest
import tiny_upstreams as tiny
import torch

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.train.crop import Draw, RandomCrop, require_crop
from espnet2_distilmos.utils.errors import UserError

CASES = [(f, s) for f, s in tiny.CASES if f in tiny.FAMILIES]
UNIT = 320


def crop(samples, n, number, tokens=None, utt="u1"):
    """Crop a clip whose samples say where they stand."""
    data = {"speech": np.arange(n, dtype=np.float32), "mos": np.ones(1, np.float32)}
    if tokens is not None:
        data["tokens"] = np.arange(tokens, dtype=np.float32)[:, None]
    return RandomCrop(samples / 16000, UNIT)(Draw(utt, number), data)


@pytest.mark.parametrize("n", [6401, 6720, 16000, 16001, 99999])
def test_a_crop_has_so_many_frames_fewer(n):
    frames = (n - 400) // UNIT + 1
    starts = set()
    for time in range(300):
        found = crop(6400, n, (0, 1, time), frames)
        speech, tokens = found["speech"], found["tokens"][:, 0]
        assert 6400 - UNIT < len(speech) <= 6400 and (n - len(speech)) % UNIT == 0
        start = int(speech[0])
        assert start % UNIT == 0 and tokens[0] == start // UNIT
        np.testing.assert_array_equal(speech, np.arange(start, start + len(speech)))
        np.testing.assert_array_equal(tokens, tokens[0] + np.arange(len(tokens)))
        assert len(tokens) == (len(speech) - 400) // UNIT + 1
        starts.add(start)
    left_out = (n - len(speech)) // UNIT
    assert max(starts) <= left_out * UNIT
    if left_out < 40:  # both ends are reached, and all between
        assert len(starts) == left_out + 1
    else:
        assert min(starts) < 0.1 * n and max(starts) > 0.9 * left_out * UNIT


def test_short_clips_stay_and_other_data_is_passed_on():
    given = {"speech": np.zeros(6400, np.float32), "tokens": np.zeros((19, 2))}
    found = RandomCrop(0.4, UNIT, lambda uid, data: {**data, "of": uid})("plain", given)
    assert found["speech"] is given["speech"] and found["tokens"] is given["tokens"]
    assert found["of"] == "plain"


def test_what_decides_a_crop():
    def start(*args, **kwargs):
        return int(crop(6400, 64000, *args, **kwargs)["speech"][0])

    assert start((0, 1, 1)) == start((0, 1, 1))
    others = [(0, 2, 1), (1, 1, 1), (0, 1, 2), (1, 0, 1)]  # pass, seed, again, both
    assert len({start((0, 1, 1)), *map(start, others)}) > 3
    assert start((0, 1, 1)) != start((0, 1, 1), utt="u2")
    # Workers get IDs through a pipe.
    draw = pickle.loads(pickle.dumps(Draw("u1", (0, 1, 2))))
    assert draw == "u1" and draw.number == (0, 1, 2) and hash(draw) == hash("u1")
    assert ("" + draw).number == draw.number and "a" + draw == "au1"
    with pytest.raises(TypeError, match="no Draw"):
        RandomCrop(0.4, UNIT)("u1", {"speech": np.zeros(64000, np.float32)})


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(UserError, match="u1: 3 rows of tokens, but the clip has more"):
        crop(6400, 64000, (0, 1, 1), tokens=3)
    require_crop(0.2, UNIT)
    require_crop(None, UNIT)
    with pytest.raises(UserError, match="at least 10 frames .* 0.2 s"):
        require_crop(0.199, UNIT)


@pytest.mark.parametrize("family, style", [*CASES, ("wavlm", "clipwise")])
def test_every_family_makes_so_many_frames_fewer(family, style, tmp_path, monkeypatch):
    """Whatever it does at the ends: the rows of the tokens that are left fit."""
    clipwise = style == "clipwise"
    conf = tiny.make(family, tmp_path, "post" if clipwise else style)
    if clipwise:
        monkeypatch.setattr("espnet2_distilmos.model.upstream.loader.FAMILIES", ())
    upstream = build_upstream(UpstreamConfig.from_dict(conf, "test")).eval()
    assert (type(upstream) is ClipwiseAdapter) == clipwise
    unit = upstream.downsample
    lengths = [9000 + 53 * i for i in range(9)]
    clips = tiny.noise(lengths)
    with torch.no_grad():
        _, whole = upstream(*tiny.padded(clips))
        cut = [clip[unit * i : len(clip) - 7 * unit] for i, clip in enumerate(clips)]
        _, found = upstream(*tiny.padded(cut))
    assert found.tolist() == [n - 7 - i for i, n in enumerate(whole.tolist())]


def test_frames_of_a_crop_hear_what_those_of_the_clip_hear(tmp_path):
    """The CNN, where its norm is of single frames: bit by bit but for the last bits."""
    conf = tiny.make("hubert", tmp_path, "pre")
    upstream = build_upstream(UpstreamConfig.from_dict(conf, "test")).eval()
    (clip,) = tiny.noise([32000])
    with torch.no_grad():
        whole = upstream._convolve(clip[None])[0]
        for number in range(5):
            data = {"speech": clip.numpy(), "tokens": np.arange(len(whole))[:, None]}
            found = RandomCrop(0.5, UNIT)(Draw("u", (0, number, 1)), data)
            states = upstream._convolve(torch.from_numpy(found["speech"])[None])[0]
            rows = torch.from_numpy(found["tokens"][:, 0])
            assert len(states) == len(rows) < len(whole)
            torch.testing.assert_close(states, whole[rows], rtol=0, atol=1e-5)
