"""k-means of every layer, and the record of what it was made from."""

import sys

import numpy as np
import pytest
import yaml
from stages import train_kmeans

from espnet2_distilmos.tokens.codebooks import fit_codebooks
from espnet2_distilmos.tokens.kmeans import Clustering
from espnet2_distilmos.tokens.provenance import read_provenance, require_tokens_of
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


def fit_layer(path, n_clusters, seed, backend="sklearn"):
    return fit_codebooks(path, n_clusters, 1, seed, backend)[0]


def centroids(folder):
    return [np.load(folder / f"layer_0{i}.npy", allow_pickle=False) for i in (1, 2, 3)]


def test_clusters_of_points_that_have_some(tmp_path):
    """Four far clouds: their means, spread and share are known."""
    rng = np.random.default_rng(0)
    means = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)
    points = np.repeat(means, 50, 0) + 0.1 * rng.standard_normal((200, 2))
    np.save(tmp_path / "x.npy", points.astype(np.float32))
    found = fit_layer(tmp_path / "x.npy", 4, seed=0)
    order = np.lexsort(found.centroids.round().T)
    assert found.centroids.dtype == np.float32
    np.testing.assert_allclose(found.centroids[order], means, atol=0.1)
    assert found.inertia == pytest.approx(2 * 0.1**2, rel=0.2)
    assert found.perplexity == pytest.approx(4, abs=1e-6)


def test_seed_decides(corpus):
    path = corpus.frames / "layer_01.npy"
    a, b, c = (fit_layer(path, 8, seed).centroids for seed in (0, 0, 1))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_jobs_give_what_one_process_gives(corpus, tmp_path):
    """The corpus' centroids were made by one; here by jobs, one of which came late."""
    first, *others = (Clustering(corpus.frames, tmp_path, n_clusters=8) for _ in "abc")
    first.run(job=2, nj=3)
    with pytest.raises(UserError, match="layer_01: not whole, with 2 of 3 shards"):
        first.combine()
    done = tmp_path / "shards/layer_02/centroids.npy"
    before = done.stat().st_mtime_ns
    for job, clustering in enumerate(others, 1):
        clustering.run(job, nj=2)
    assert done.stat().st_mtime_ns == before
    others[0].combine()
    for one, two in zip(centroids(corpus.kmeans), centroids(tmp_path)):
        assert one.shape == (8, 16)
        assert np.array_equal(one, two)
    assert read_yaml(tmp_path / "provenance.yaml") == read_yaml(corpus.provenance)
    assert (tmp_path / "clusters.png").stat().st_size > 0
    assert not (tmp_path / "shards").exists()
    # And nothing is made again.
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir() if p.name != ".lock"}
    train_kmeans(corpus.frames, tmp_path, n_clusters=8)
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_faiss_that_is_missing_is_named(corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it could not be imported
    with pytest.raises(UserError, match="needs faiss: pip install .*faiss-cpu"):
        fit_layer(corpus.frames / "layer_01.npy", 8, 0, "faiss")


def test_faiss_behind_the_same_function(corpus, tmp_path):
    pytest.importorskip("faiss", reason="optional: pip install faiss-cpu")
    path = corpus.frames / "layer_01.npy"
    a, b = (fit_layer(path, 8, 0, "faiss") for _ in range(2))
    assert np.array_equal(a.centroids, b.centroids)
    assert a.centroids.shape == (8, 16) and a.centroids.dtype == np.float32
    # Lloyd's on all frames: about as good as mini-batches.
    assert a.inertia < 1.1 * fit_layer(path, 8, 0).inertia
    train_kmeans(corpus.frames, tmp_path, n_clusters=8, backend="faiss")
    provenance = read_yaml(tmp_path / "provenance.yaml")
    assert "faiss_version" in provenance and "scikit_learn_version" not in provenance
    assert np.array_equal(centroids(tmp_path)[0], a.centroids)


def test_provenance_tells_what_it_was_made_from(corpus, upstream_of):
    found = read_provenance(corpus.provenance)
    assert found["n_clusters"] == 8 and found["layers"] == [1, 2, 3]
    assert found["seed"] == 0 and found["n_clips"] == 12
    assert found["inertia"].keys() == found["perplexity"].keys() == {1, 2, 3}
    assert all(1 < p <= 8 for p in found["perplexity"].values())
    assert all(x > 0 for x in found["inertia"].values())
    fingerprint = upstream_of("post", 3).fingerprint
    assert found["upstream"] == fingerprint
    require_tokens_of(found, fingerprint)
    for key, name in (
        ("weights_sha256", {"seed": 0}),
        ("normalize", {"seed": 3, "normalize": True}),
    ):
        with pytest.raises(UserError, match=f"another upstream: {key} is .* stages 2"):
            require_tokens_of(found, upstream_of("post", **name).fingerprint)
    # Newer versions and moved files are no other upstream.
    moved = {"path_or_url": "x.pt", "s3prl_version": "9", "checkpoint_sha256": "0"}
    require_tokens_of(found, {**fingerprint, **moved})


def test_too_few_frames(corpus, tmp_path):
    with pytest.raises(UserError, match="frames are too few for 9999 clusters; lower"):
        train_kmeans(corpus.frames, tmp_path, n_clusters=9999)
    with pytest.raises(UserError, match="no frames.yaml; run stage 2 first"):
        train_kmeans(tmp_path, tmp_path / "out", n_clusters=8)


@pytest.mark.parametrize(
    "content", [{"n_clusters": 8}, {"n_clusters": "8", "layers": [1], "upstream": {}}]
)
def test_what_is_no_provenance_is_refused(tmp_path, content):
    path = tmp_path / "provenance.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="not a k-means provenance"):
        read_provenance(path)
