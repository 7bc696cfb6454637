"""Other clusterings: residual codebooks, and frames of further sets."""

import re
import shutil
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest
import torch
from stages import dump_frames, train_kmeans, write_tokens
from train_options import options

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tokens.codebooks import fit_codebooks
from espnet2_distilmos.tokens.frames import FrameDump
from espnet2_distilmos.tokens.kmeans import Clustering
from espnet2_distilmos.tokens.labels import Labelling, layer_has_near_tie, layer_tokens
from espnet2_distilmos.tokens.states import hidden_states
from espnet2_distilmos.train.history import read_history, token_accuracies_of
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


@pytest.fixture(scope="module")
def residual(corpus, tmp_path_factory):
    """The corpus, with two codebooks a layer."""
    kmeans = tmp_path_factory.mktemp("residual") / "kmeans_8x2"
    train_kmeans(corpus.frames, kmeans, n_clusters=8, n_codebooks=2)
    sets = [corpus.raw / "train", corpus.raw / "valid"]
    write_tokens(sets, UpstreamConfig(**corpus.conf), kmeans)
    changed = {"kmeans": kmeans, "provenance": kmeans / "provenance.yaml"}
    return SimpleNamespace(**{**vars(corpus), **changed})


def test_residuals_by_hand():
    """Frames at -10 and 10, each 1 to the left or right."""
    codebooks = [torch.tensor([[-10.0, 0], [10, 0]]), torch.tensor([[-1.0, 0], [1, 0]])]
    frames = torch.tensor([[-11.0, 0], [-9, 0], [9, 0], [11, 0], [10.2, 3]])
    expected = [[0, 0], [0, 1], [1, 0], [1, 1], [1, 1]]
    assert layer_tokens(frames, codebooks).tolist() == expected
    assert layer_tokens(frames, codebooks[:1]).tolist() == [e[:1] for e in expected]


def test_codebooks_refine_each_other(tmp_path):
    points = np.repeat(np.array([[-11, 0], [-9, 0], [9, 0], [11, 0]]), 50, 0)
    np.save(tmp_path / "x.npy", points.astype(np.float32))
    first, second = fit_codebooks(tmp_path / "x.npy", 2, 2, seed=0)
    assert sorted(first.centroids[:, 0]) == pytest.approx([-10, 10], abs=0.3)
    assert sorted(second.centroids[:, 0]) == pytest.approx([-1, 1], abs=0.3)
    assert first.inertia == pytest.approx(1, rel=0.1) and second.inertia < 0.1
    assert second.perplexity == pytest.approx(2, abs=1e-3)


def test_near_ties_of_what_is_left_over():
    """Rounding errors are those of the whole frame, however little is left of it."""
    codebooks = [torch.tensor([[0.0], [1000.0]]), torch.tensor([[-1.0], [1.0]])]
    for left, tie in ((0.001, True), (0.5, False)):
        assert layer_has_near_tie(torch.tensor([[1000 + left]]), codebooks) is tie
    assert not layer_has_near_tie(torch.tensor([[0.5]]), codebooks)


def test_the_first_codebook_is_the_plain_one(residual, corpus):
    for i in (1, 2, 3):
        plain = (corpus.kmeans / f"layer_0{i}.npy").read_bytes()
        assert (residual.kmeans / f"layer_0{i}.npy").read_bytes() == plain
        second = np.load(residual.kmeans / f"layer_0{i}_codebook_2.npy")
        assert second.shape == (8, 16) and second.dtype == np.float32
    found, plain = (read_yaml(c.provenance) for c in (residual, corpus))
    assert found["n_codebooks"] == 2
    for layer in (1, 2, 3):
        first, second = found["inertia"][layer]
        assert first == plain["inertia"][layer] and 0 < second < first
        assert found["perplexity"][layer][0] == plain["perplexity"][layer]
    assert (residual.kmeans / "clusters.png").stat().st_size > 0


def test_tokens_stand_layer_by_layer(residual, corpus, upstream_of):
    upstream = upstream_of("post", 3).eval()
    tokens = kaldiio.load_scp(str(residual.kmeans / "valid/tokens.scp"))
    plain = kaldiio.load_scp(str(corpus.kmeans / "valid/tokens.scp"))
    for utt, path in read_wav_scp(corpus.raw / "valid/wav.scp").items():
        ids = tokens[utt].astype(int)
        assert tokens[utt].dtype == np.float32 and ids.shape[1] == 6
        assert (ids[:, ::2] == plain[utt]).all()
        for layer, state in enumerate(hidden_states(upstream, path)):
            rest = state.numpy().astype(np.float64)
            for codebook in range(2):
                more = "_codebook_2" * codebook
                c = np.load(residual.kmeans / f"layer_0{layer + 1}{more}.npy")
                distance = ((rest[:, None] - c[None].astype(np.float64)) ** 2).sum(-1)
                nearest = distance.argmin(1)
                assert (nearest == ids[:, 2 * layer + codebook]).all()
                rest = rest - c[nearest]


def test_codebooks_are_the_same_in_any_jobs_and_batches(residual, tmp_path):
    """Made whole by one process; here by jobs, one of which was killed."""

    def clustering():
        return Clustering(residual.frames, tmp_path, n_clusters=8, n_codebooks=2)

    clustering().run(job=2, nj=3)
    torn = tmp_path / "shards/layer_01"
    torn.mkdir()
    (torn / "centroids.npy").write_bytes(b"half")
    with pytest.raises(UserError, match="layer_01: not whole, with 2 of 3 shards"):
        clustering().combine()
    for job in (1, 2):
        clustering().run(job, nj=2)
    clustering().combine()
    names = sorted(p.name for p in residual.kmeans.glob("*.npy"))
    assert len(names) == 6
    for name in (*names, "provenance.yaml"):
        assert (tmp_path / name).read_bytes() == (residual.kmeans / name).read_bytes()
    conf = UpstreamConfig(**residual.conf)
    for job in (2, 1):
        labelling = Labelling(
            [residual.raw / "train"],
            conf,
            tmp_path,
            batch_seconds=2.5,
            shard_seconds=2,
        )
        labelling.run(job, 2)
    labelling.combine()
    ark = (tmp_path / "train/tokens.ark").read_bytes()
    assert ark == (residual.kmeans / "train/tokens.ark").read_bytes()


def test_a_training_predicts_both_codebooks(residual, tmp_path):
    DistilMOSTask.main(cmd=options(residual, tmp_path, max_epoch=1))
    config = read_yaml(tmp_path / "config.yaml")
    assert config["token_conf"]["n_codebooks"] == 2
    history = read_history(tmp_path / "checkpoint.pth")
    valid = history[1]["valid"]
    layers, (accuracies,) = token_accuracies_of(history)
    assert layers == [1, 2, 3]
    codebooks = [valid["codebook_acc_1"], valid["codebook_acc_2"]]
    assert np.mean(accuracies) == pytest.approx(np.mean(codebooks))
    assert valid["token_acc"] == pytest.approx(np.mean(codebooks))


@pytest.mark.parametrize("found, expected", [(3, 2), (6, 1)])
def test_tokens_of_another_number_of_codebooks_are_refused(
    found, expected, residual, corpus, tmp_path
):
    one, two = (corpus, residual) if found == 3 else (residual, corpus)
    mixed = SimpleNamespace(**{**vars(one), "provenance": two.provenance})
    message = f"{found} tokens a frame, but 3 layers x {expected} codebooks are"
    with pytest.raises(UserError, match=rf"^train\d\d: {message} expected"):
        DistilMOSTask.main(cmd=options(mixed, tmp_path, max_epoch=1))


def test_a_number_of_codebooks_below_one_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="--n_codebooks 0: at least 1"):
        train_kmeans(corpus.frames, tmp_path, n_clusters=8, n_codebooks=0)


def test_by_default_the_stamps_are_those_from_before_there_was_a_choice(corpus):
    """Else all that is there would be made again."""
    frames, kmeans = read_yaml(corpus.frames / "frames.yaml"), corpus.provenance
    keys = {"upstream", "clips_sha256", "max_frames", "seed", "audio_sha256"}
    assert frames["request"].keys() == keys
    keys = {"request", "fingerprint", "layers", "n_frames", "n_clips"}
    assert frames.keys() == keys
    found = read_yaml(kmeans)
    assert found["request"].keys() == {"frames_yaml_sha256", "n_clusters", "seed"}
    assert not {"n_codebooks", "sets"} & found.keys()


def dump(corpus, folder, more, **kwargs):
    conf = UpstreamConfig(**corpus.conf)
    dump_frames(corpus.raw / "train", conf, folder, more_data_dirs=more, **kwargs)
    return np.load(folder / "layer_02.npy"), read_yaml(folder / "frames.yaml")


@pytest.fixture(scope="module")
def clean(corpus, tmp_path_factory):
    """A set without labels, with IDs of the training set."""
    folder = tmp_path_factory.mktemp("raw") / "clean"
    folder.mkdir()
    for name in ("wav.scp", "utt2num_samples"):
        text = (corpus.raw / "valid" / name).read_text()
        (folder / name).write_text(re.sub("^valid", "train", text, flags=re.M))
    return folder


def test_frames_of_further_sets_join_those_of_the_training_set(corpus, clean, tmp_path):
    frames, stamp = dump(corpus, tmp_path / "frames", [clean])
    train = np.load(corpus.frames / "layer_02.npy")
    assert np.array_equal(frames[: len(train)], train)
    sets = stamp["sets"]
    assert sets["train"] == {"n_clips": 12, "n_frames": len(train)}
    assert sets["clean"]["n_clips"] == 10
    assert len(frames) == stamp["n_frames"] == len(train) + sets["clean"]["n_frames"]
    # And the provenance of the k-means names them.
    train_kmeans(tmp_path / "frames", tmp_path / "kmeans", n_clusters=8)
    assert read_yaml(tmp_path / "kmeans/provenance.yaml")["sets"] == sets
    # A changed set is another request.
    changed = tmp_path / "other/clean"
    shutil.copytree(clean, changed)
    text = (clean / "wav.scp").read_text()
    (changed / "wav.scp").write_text(text.replace("train00", "train000"))
    text = (clean / "utt2num_samples").read_text()
    (changed / "utt2num_samples").write_text(text.replace("train00", "train000"))
    conf = UpstreamConfig(**corpus.conf)
    one, two = (
        FrameDump(corpus.raw / "train", conf, tmp_path, more_data_dirs=[more]).request
        for more in (clean, changed)
    )
    assert one != two


def test_every_set_gives_the_same_share(corpus, clean, tmp_path, caplog):
    caplog.set_level("INFO")
    everything = dump(corpus, tmp_path / "all", [clean])[1]["sets"]
    frames, stamp = dump(corpus, tmp_path / "some", [clean], max_frames=150)
    total = sum(s["n_frames"] for s in everything.values())
    assert len(frames) == pytest.approx(150, abs=20)
    for name, s in stamp["sets"].items():
        expected = 150 * everything[name]["n_frames"] / total
        assert s["n_frames"] == pytest.approx(expected, abs=15)
    assert "frames of train " in caplog.text and " %), clean " in caplog.text
    # Jobs change nothing.
    conf = UpstreamConfig(**corpus.conf)
    for job in (2, 1):
        by_jobs = FrameDump(
            corpus.raw / "train",
            conf,
            tmp_path / "jobs",
            max_frames=150,
            shard_seconds=2,
            more_data_dirs=[clean],
        )
        by_jobs.run(job, 2)
    by_jobs.combine()
    assert np.array_equal(np.load(tmp_path / "jobs/layer_02.npy"), frames)


def test_a_set_twice_is_refused(corpus, tmp_path):
    with pytest.raises(UserError, match="raw/train: there is a set train already"):
        dump(corpus, tmp_path, [corpus.raw / "train"])
