"""Which frames k-means sees, and the arrays that hold them."""

import os

import numpy as np
import pytest
import torch
from stages import dump_frames

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.frames import FrameDump, choose_frames, request_of
from espnet2_distilmos.tokens.shards import cut
from espnet2_distilmos.tokens.states import cut_batches, hidden_states
from espnet2_distilmos.utils.datadir import read_lines, read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def test_choice_depends_on_clip_and_seed_alone():
    np.random.seed(0)
    first = choose_frames("ann-1", 500, 0.1, 0)
    np.random.rand(3)
    assert (choose_frames("ann-1", 500, 0.1, 0) == first).all()
    for other in (
        choose_frames("ann-2", 500, 0.1, 0),
        choose_frames("ann-1", 500, 0.1, 1),
    ):
        assert not np.array_equal(other, first)
    assert (np.diff(first) > 0).all() and 0 <= first[0] and first[-1] < 500
    assert len(first) in (50, 51)


@pytest.mark.parametrize("n_frames, share", [(500, 0.1), (3, 0.1), (1, 0.25), (7, 1.0)])
def test_share_is_kept_over_many_clips(n_frames, share):
    """Also of clips that are too short for a whole frame of their own."""
    counts = [len(choose_frames(f"u{i}", n_frames, share, 0)) for i in range(2000)]
    assert np.mean(counts) / n_frames == pytest.approx(share, rel=0.12)
    assert max(counts) - min(counts) <= 1 and max(counts) <= n_frames
    if share == 1.0:
        assert set(counts) == {n_frames}


def test_every_frame_of_a_clip_is_as_likely():
    hits = np.zeros(10)
    for i in range(3000):
        hits[choose_frames(f"u{i}", 10, 0.3, 0)] += 1
    assert hits / 3000 == pytest.approx(np.full(10, 0.3), abs=0.04)


def arrays(folder):
    return [np.load(folder / f"layer_0{i}.npy", allow_pickle=False) for i in (1, 2, 3)]


def test_all_frames_of_all_layers(corpus, upstream_of):
    """The budget exceeds what there is: nothing is left out."""
    upstream = upstream_of("post", 3).eval()
    expected = [[], [], []]
    for path in read_wav_scp(corpus.raw / "train/wav.scp").values():
        for layer, states in enumerate(hidden_states(upstream, path)):
            expected[layer].append(states)
    for found, states in zip(arrays(corpus.frames), expected):
        states = torch.cat(states).numpy()
        assert found.dtype == np.float32 and found.shape == states.shape
        np.testing.assert_allclose(found, states, rtol=0, atol=1e-5)
    stamp = read_yaml(corpus.frames / "frames.yaml")
    assert stamp["n_frames"] == len(states) and stamp["n_clips"] == 12
    assert stamp["layers"] == [1, 2, 3]
    assert not [p for p in os.listdir(corpus.frames) if ".tmp" in p]


def test_a_sample_is_the_same_in_any_order(corpus, tmp_path):
    """Half as many clips: those that remain give the same frames at the same share."""
    conf = UpstreamConfig(**corpus.conf)
    wavs = read_wav_scp(corpus.raw / "train/wav.scp")
    samples = read_lines(corpus.raw / "train/utt2num_samples", str)
    chosen = {}
    for utt in ("train03", "train08"):
        folder = tmp_path / utt
        folder.mkdir()
        (folder / "wav.scp").write_text(f"{utt} {wavs[utt]}\n")
        (folder / "utt2num_samples").write_text(f"{utt} {samples[utt]}\n")
        budget = int(samples[utt]) / 320 / 4
        dump_frames(folder, conf, tmp_path / f"{utt}_out", max_frames=budget)
        chosen[utt] = arrays(tmp_path / f"{utt}_out")[0]
    everything = arrays(corpus.frames)[0]
    for utt, frames in chosen.items():
        n = round(int(samples[utt]) / 320 / 4)
        assert abs(len(frames) - n) <= 1
        distance = np.abs(everything[None] - frames[:, None]).max(-1).min(1)
        assert distance.max() < 1e-5


def test_budget_and_seed(corpus, tmp_path):
    conf = UpstreamConfig(**corpus.conf)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        dump_frames(corpus.raw / "train", conf, tmp_path / name, 100, seed)
    a, b, c = (arrays(tmp_path / name) for name in "abc")
    assert all(np.array_equal(x, y) for x, y in zip(a, b))
    assert not np.array_equal(a[0], c[0])
    assert abs(len(a[0]) - 100) < 20 and len({len(x) for x in a}) == 1


def test_done_again_only_when_something_changed(corpus, tmp_path):
    conf = UpstreamConfig(**corpus.conf)
    file = tmp_path / "layer_03.npy"

    def dump(conf, *args):
        before = file.stat().st_mtime_ns if file.exists() else 0
        dump_frames(corpus.raw / "train", conf, tmp_path, *args)
        return file.stat().st_mtime_ns != before

    assert dump(conf, 100)
    assert not dump(conf, 100)
    assert dump(conf, 101)
    assert dump(UpstreamConfig(**{**corpus.conf, "normalize": True}), 101)
    # What changes no hidden state changes nothing here.
    conf = {**corpus.conf, "normalize": True, "freeze": True, "feature_grad_mult": 0.1}
    assert not dump(UpstreamConfig(**conf), 101)


@pytest.mark.parametrize(
    "changed", [{"normalize": True}, {"normalize_waveform": True}, {"layers": [1]}]
)
def test_what_changes_hidden_states_is_another_request(wavlm_conf, changed):
    requests = [
        request_of(UpstreamConfig.from_dict(wavlm_conf(**more), "test"))
        for more in ({}, changed)
    ]
    assert requests[0] != requests[1]


@pytest.mark.parametrize("batch_seconds", [0, 3])
def test_jobs_give_what_one_process_gives(batch_seconds, corpus, tmp_path):
    """The same bytes for any number of jobs, in whatever order they end."""

    def dump(name):
        conf = UpstreamConfig(**corpus.conf)
        options = {"batch_seconds": batch_seconds, "shard_seconds": 2}
        return FrameDump(
            corpus.raw / "train", conf, tmp_path / name, max_frames=200, **options
        )

    for nj in (1, 3):
        for job in reversed(range(1, nj + 1)):
            with pytest.raises(UserError, match="not whole, with .* shards; run the"):
                dump(str(nj)).combine()
            dump(str(nj)).run(job, nj)
        dump(str(nj)).combine()
    for name in ("frames.yaml", *(f"layer_0{i}.npy" for i in (1, 2, 3))):
        one, three = ((tmp_path / nj / name).read_bytes() for nj in "13")
        assert one == three, name
    conf = UpstreamConfig(**corpus.conf)
    dump_frames(corpus.raw / "train", conf, tmp_path / "whole", max_frames=200)
    for found, expected in zip(arrays(tmp_path / "3"), arrays(tmp_path / "whole")):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        assert batch_seconds or np.array_equal(found, expected)
    # A job that comes too late has nothing to do, and makes no shards.
    dump("3").run(2, 3)
    assert not (tmp_path / "3/shards").exists()


def test_batches_are_of_like_length_and_bounded():
    lengths = {"a": 16000, "b": 48000, "c": 16000, "d": 17000, "e": 160000}
    assert cut_batches(lengths, list("abcd"), 0) == [["b"], ["d"], ["a"], ["c"]]
    found = cut_batches(lengths, list("abcde"), 3.2)
    assert found == [["e"], ["b"], ["d", "a", "c"]]
    assert cut(lengths, 3.9) == [["a", "b"], ["c", "d", "e"]]
    assert cut(lengths, 1e9) == [list(lengths)]
