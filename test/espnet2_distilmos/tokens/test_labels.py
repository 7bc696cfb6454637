"""Tokens: every frame, the nearest centroid, exact integers."""

import shutil

import kaldiio
import numpy as np
import pytest
import torch
from stages import write_tokens

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens import labels
from espnet2_distilmos.tokens.labels import Labelling, has_near_tie, nearest_centroid
from espnet2_distilmos.tokens.states import batch_states, hidden_states
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import folder_lock, read_yaml


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
    for name, line in (("wav.scp", "/nowhere/zoe.wav"), ("utt2num_samples", "9000")):
        text = (corpus.raw / "valid" / name).read_text()
        (bad / name).write_text(f"{text}zoe {line}\n")
    with pytest.raises(UserError, match="/nowhere/zoe.wav: no such file"):
        write_tokens([bad], UpstreamConfig(**corpus.conf), kmeans)
    files = [p for p in (kmeans / "bad").rglob("*") if p.is_file()]
    assert [p.name for p in files] == [".lock"]


def copy_of(corpus, folder):
    """The corpus' centroids without its tokens, and the two sets."""
    shutil.copytree(
        corpus.kmeans, folder, ignore=shutil.ignore_patterns("train", "valid")
    )
    return [corpus.raw / "train", corpus.raw / "valid"]


@pytest.mark.parametrize("nj", [1, 3])
@pytest.mark.parametrize("batch_seconds", [0, 2.5, 100])
def test_tokens_are_the_same_in_any_jobs_and_batches(
    nj, batch_seconds, corpus, tmp_path
):
    """The corpus' were made by one process, clip by clip, in one shard a set."""
    sets = copy_of(corpus, tmp_path / "kmeans")
    kwargs = {"batch_seconds": batch_seconds, "shard_seconds": 2}
    conf = UpstreamConfig(**corpus.conf)
    for job in reversed(range(1, nj + 1)):
        labelling = Labelling(sets, conf, tmp_path / "kmeans", **kwargs)
        assert len(labelling.sets[0].shards) >= 3
        labelling.run(job, nj)
    labelling.combine()
    for dset in ("train", "valid"):
        made, reference = tmp_path / "kmeans" / dset, corpus.kmeans / dset
        ark = (made / "tokens.ark").read_bytes()
        assert ark == (reference / "tokens.ark").read_bytes()
        scp = (made / "tokens.scp").read_text()
        assert (
            scp.replace(str(made), str(reference))
            == (reference / "tokens.scp").read_text()
        )
        assert not (made / "shards").exists()


def test_whole_shards_are_kept_when_a_job_is_killed(corpus, tmp_path):
    """Also where the next start has another number of jobs."""
    kmeans = tmp_path / "kmeans"
    sets = copy_of(corpus, kmeans)
    conf = UpstreamConfig(**corpus.conf)

    def labelling():
        return Labelling(sets, conf, kmeans, shard_seconds=2)

    labelling().run(job=2, nj=2)  # the first was killed before its end:
    torn = kmeans / "train/shards/00001"
    torn.mkdir()
    (torn / "tokens.ark").write_bytes(b"half")
    with pytest.raises(UserError, match="train/shards/00001: not whole, with .* of"):
        labelling().combine()
    done = {p: p.stat().st_mtime_ns for p in kmeans.rglob("shards/*/shard.yaml")}
    assert done
    for job in (1, 2, 3):
        labelling().run(job, nj=3)
    assert {p: p.stat().st_mtime_ns for p in done} == done
    labelling().combine()
    ark = (kmeans / "train/tokens.ark").read_bytes()
    assert ark == (corpus.kmeans / "train/tokens.ark").read_bytes()


def test_a_shard_that_another_process_makes_is_left_to_it(corpus, tmp_path):
    sets = copy_of(corpus, tmp_path / "kmeans")
    conf = UpstreamConfig(**corpus.conf)
    with folder_lock(tmp_path / "kmeans/train/shards/00001"):
        with pytest.raises(UserError, match="another process is writing here"):
            write_tokens(sets, conf, tmp_path / "kmeans")


def test_near_ties_are_seen():
    """A frame in the middle between its two nearest centroids, but for rounding."""
    centroids = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]])
    for x, tie in ((1.0, True), (1.0 + 5e-7, True), (1.001, False), (9.0, False)):
        assert has_near_tie(torch.tensor([[x, 0.5]]), centroids) is tie
    # Equal centroids tie always, whatever the rounding: the first one is taken.
    assert not has_near_tie(torch.tensor([[0.1, 0.0]]), centroids[[0, 0]])
    assert not has_near_tie(torch.tensor([[0.1, 0.0]]), centroids[:1])


def test_a_clip_near_a_tie_is_computed_again_alone(corpus, tmp_path, monkeypatch):
    sets = copy_of(corpus, tmp_path / "kmeans")
    conf = UpstreamConfig(**corpus.conf)
    monkeypatch.setattr(labels, "NEAR_TIE", 1.0)  # all are
    sizes = []

    def note(upstream, clips):
        sizes.append(len(clips))
        return batch_states(upstream, clips)

    monkeypatch.setattr(labels, "batch_states", note)
    write_tokens(sets[:1], conf, tmp_path / "kmeans", batch_seconds=100)
    assert sizes == [12, *[1] * 12]
    stamp = read_yaml(tmp_path / "kmeans/train/tokens.yaml")
    assert stamp["n_clips_again_alone"] == 12
