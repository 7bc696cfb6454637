"""Tokens: every frame, the nearest centroid, exact integers."""

import shutil

import kaldiio
import numpy as np
import pytest
import torch

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.frames import hidden_states
from espnet2_distilmos.tokens.labels import nearest_centroid, write_tokens
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError


def test_nearest_centroid_is_that_of_brute_force():
    torch.manual_seed(0)
    # Far from the origin float32 would decide by rounding.
    states, centroids = torch.randn(300, 5) + 100, torch.randn(40, 5) + 100
    distance = (states[:, None].double() - centroids[None].double()).square().sum(-1)
    assert torch.equal(nearest_centroid(states, centroids), distance.argmin(1))


@pytest.mark.parametrize("dset", ["train", "valid"])
def test_tokens_are_the_nearest_centroids_of_every_frame(dset, corpus, upstream_of):
    upstream = upstream_of("post", 3).eval()
    centroids = [np.load(corpus.kmeans / f"layer_0{i}.npy") for i in (1, 2, 3)]
    tokens = kaldiio.load_scp(str(corpus.kmeans / dset / "tokens.scp"))
    wavs = read_wav_scp(corpus.raw / dset / "wav.scp")
    assert list(tokens) == list(wavs)
    for utt, path in wavs.items():
        states = hidden_states(upstream, path)
        ids = tokens[utt]
        assert ids.dtype == np.float32 and ids.shape == (len(states[0]), 3)
        assert (ids == ids.round()).all() and ids.min() >= 0 and ids.max() < 8
        for layer, (state, centers) in enumerate(zip(states, centroids)):
            x = state.numpy().astype(np.float64)
            distance = ((x[:, None] - centers[None]) ** 2).sum(-1)
            nearest = distance.argmin(1)
            assert (nearest == ids[:, layer]).all()
    assert len(np.unique(np.concatenate(list(tokens.values()))[:, 2])) > 3


def test_a_set_is_labelled_again_only_when_it_changed(corpus, tmp_path):
    kmeans = tmp_path / "kmeans"
    shutil.copytree(corpus.kmeans, kmeans)
    shutil.rmtree(kmeans / "valid")
    train = (kmeans / "train/tokens.ark").stat().st_mtime_ns
    conf = UpstreamConfig(**corpus.conf)
    sets = [corpus.raw / "train", corpus.raw / "valid"]
    write_tokens(sets, conf, kmeans)
    assert (kmeans / "train/tokens.ark").stat().st_mtime_ns == train
    ark = kmeans / "valid/tokens.ark"
    assert ark.read_bytes() == (corpus.kmeans / "valid/tokens.ark").read_bytes()
    before = ark.stat().st_mtime_ns
    write_tokens(sets, conf, kmeans)
    assert ark.stat().st_mtime_ns == before
    assert not list(kmeans.rglob("*.tmp*"))


def test_another_upstream_is_refused(corpus, tmp_path, wavlm_conf):
    kmeans = tmp_path / "kmeans"
    shutil.copytree(corpus.kmeans, kmeans, ignore=shutil.ignore_patterns("train"))
    other = UpstreamConfig(**wavlm_conf("post", 0))
    with pytest.raises(UserError, match="another upstream: weights_sha256"):
        write_tokens([corpus.raw / "train"], other, kmeans)
    assert not (kmeans / "train").exists()


def test_a_broken_clip_is_named_and_nothing_is_left(corpus, tmp_path):
    kmeans = tmp_path / "kmeans"
    shutil.copytree(corpus.kmeans, kmeans)
    bad = tmp_path / "bad"
    bad.mkdir()
    wavs = (corpus.raw / "valid/wav.scp").read_text()
    (bad / "wav.scp").write_text(wavs + "zoe /nowhere/zoe.wav\n")
    with pytest.raises(UserError, match="/nowhere/zoe.wav: cannot be read"):
        write_tokens([bad], UpstreamConfig(**corpus.conf), kmeans)
    assert list((kmeans / "bad").iterdir()) == []
