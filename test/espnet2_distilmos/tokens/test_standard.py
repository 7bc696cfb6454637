"""States whose channels are standardised before k-means."""

import kaldiio
import numpy as np
import pytest
import torch
from stages import write_tokens

from espnet2_distilmos.bin.cluster_layers import main as cluster_layers
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.tokens.codebooks import fit_codebooks
from espnet2_distilmos.tokens.kmeans import Clustering
from espnet2_distilmos.tokens.labels import (
    Labelling,
    has_near_tie,
    layer_has_near_tie,
    layer_tokens,
)
from espnet2_distilmos.tokens.provenance import read_provenance
from espnet2_distilmos.tokens.standard import Standard, measure, read_standard
from espnet2_distilmos.tokens.states import hidden_states
from espnet2_distilmos.train.identity import _token_request
from espnet2_distilmos.train.token_kept import TokenKept
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import sha256_file


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    """Two codebooks a layer, of standardised states, and tokens of the valid set."""
    kmeans = tmp_path_factory.mktemp("standard") / "kmeans_8x2_std"
    for part in (("--job", "1", "--nj", "1"), ("--combine",)):
        cluster_layers(
            [
                *("--frames_dir", str(corpus.frames), "--output_dir", str(kmeans)),
                *("--n_clusters", "8", "--n_codebooks", "2"),
                *("--standardize_states", "true", *part),
            ]
        )
    write_tokens([corpus.raw / "valid"], UpstreamConfig(**corpus.conf), kmeans)
    return kmeans


def test_mean_and_deviation_of_every_channel(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((500, 4)) * [1, 300, 0.01, 0] + [5, -9000, 0, 0.3]
    frames = frames.astype(np.float32)
    np.save(tmp_path / "x.npy", frames)
    mean, deviation = measure(tmp_path / "x.npy")
    np.testing.assert_allclose(mean, frames.mean(0, dtype=float), rtol=1e-6, atol=1e-7)
    expected = frames.std(0, dtype=float)
    expected[3] = 1  # constant
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)


def test_an_outlier_channel_does_not_rule(tmp_path):
    """Four clouds, told apart by two channels beside a loud one that tells nothing."""
    rng = np.random.default_rng(0)
    clouds = np.repeat(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float), 100, 0)
    clouds += 0.05 * rng.standard_normal(clouds.shape)
    loud = 1000 * rng.standard_normal((400, 1))
    np.save(tmp_path / "x.npy", np.hstack([clouds, loud]).astype(np.float32))

    def purity(standard):
        (found,) = fit_codebooks(tmp_path / "x.npy", 16, 1, 0, standard=standard)
        states = torch.from_numpy(np.load(tmp_path / "x.npy"))
        if standard is not None:
            standard = Standard(*torch.from_numpy(standard).double())
        tokens = layer_tokens(states, [torch.from_numpy(found.centroids)], standard)
        parts = tokens[:, 0].view(4, 100)
        counts = torch.stack([torch.bincount(p, minlength=16) for p in parts])
        return (counts.max(0).values.sum() / 400).item()

    assert purity(measure(tmp_path / "x.npy")) > 0.95
    assert purity(None) < 0.6


def test_tokens_are_nearest_among_standardised_frames(folder, corpus, upstream_of):
    provenance = read_provenance(folder / "provenance.yaml")
    assert provenance["standardize_states"] is True
    upstream = upstream_of("post", 3).eval()
    tokens = kaldiio.load_scp(str(folder / "valid/tokens.scp"))
    for utt, path in list(read_wav_scp(corpus.raw / "valid/wav.scp").items())[:3]:
        for layer, state in enumerate(hidden_states(upstream, path), 1):
            file = folder / f"layer_0{layer}_standard.npy"
            assert provenance["standards_sha256"][layer] == sha256_file(file)
            frames = np.load(corpus.frames / f"layer_0{layer}.npy")
            mean, deviation = np.load(file).astype(float)
            np.testing.assert_allclose(mean, frames.mean(0, dtype=float), atol=1e-6)
            rest = (state.numpy() - mean) / deviation
            for codebook, more in enumerate(("", "_codebook_2")):
                c = np.load(folder / f"layer_0{layer}{more}.npy").astype(float)
                nearest = ((rest[:, None] - c[None]) ** 2).sum(-1).argmin(1)
                assert (nearest == tokens[utt][:, 2 * (layer - 1) + codebook]).all()
                rest = rest - c[nearest]


def test_without_it_all_is_as_before_and_with_it_another(corpus, folder, tmp_path):
    plain = Clustering(corpus.frames, tmp_path / "plain", n_clusters=8)
    plain.run(), plain.combine()
    for name in ("layer_01.npy", "layer_03.npy", "provenance.yaml"):
        made = (tmp_path / "plain" / name).read_bytes()
        assert made == (corpus.kmeans / name).read_bytes()
        assert made != (folder / name).read_bytes()
    assert not list((tmp_path / "plain").glob("*standard*"))
    assert "standard" not in (tmp_path / "plain/provenance.yaml").read_text()
    # A training takes tokens of the one for no tokens of the other.
    requests = [
        _token_request({"token_conf": {}, "token_provenance": f / "provenance.yaml"})
        for f in (corpus.kmeans, folder)
    ]
    assert requests[0] == {"n_clusters": 8, "n_codebooks": 1, "layers": [1, 2, 3]}
    assert requests[1]["standardize_states"] is True


def test_rounding_is_that_of_the_states_before():
    """An error in a channel grows as that is divided by its small deviation."""
    centroids = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    states = torch.tensor([[2e-8, 1.0]])
    assert not has_near_tie(torch.tensor([[2e-5, 1.0]]), centroids)
    standard = Standard(torch.zeros(2).double(), torch.tensor([1e-3, 1.0]).double())
    assert layer_has_near_tie(states, [centroids], standard)
    far = torch.tensor([[2e-5, 1.0]])
    assert not layer_has_near_tie(far, [centroids], standard)


def test_batches_and_jobs_make_no_difference(folder, corpus, tmp_path):
    for path in folder.iterdir():
        if path.is_file() and path.name != ".lock":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    conf = UpstreamConfig(**corpus.conf)
    labelling = Labelling(
        [corpus.raw / "valid"], conf, tmp_path, batch_seconds=3, shard_seconds=2
    )
    for job in (1, 2):
        labelling.run(job, 2)
    labelling.combine()
    made = kaldiio.load_scp(str(tmp_path / "valid/tokens.scp"))
    for utt, expected in kaldiio.load_scp(str(folder / "valid/tokens.scp")).items():
        assert (made[utt] == expected).all()


def test_all_are_kept_at_the_start(folder, corpus, upstream_of):
    from espnet2_distilmos.model.network import build_network
    from espnet2_distilmos.utils.audio import read_audio

    provenance = read_provenance(folder / "provenance.yaml")
    conf = {"hidden_size": 8}
    network = build_network(corpus.conf, "distilmos", conf, 8, n_codebooks=2).eval()
    kept = TokenKept(network, folder, range(6), provenance)
    utt, path = next(iter(read_wav_scp(corpus.raw / "valid/wav.scp").items()))
    clip = torch.from_numpy(read_audio(path)[0]).float().unsqueeze(0)
    with torch.no_grad():
        network(clip, torch.tensor([clip.size(1)]))
    tokens = kaldiio.load_scp(str(folder / "valid/tokens.scp"))[utt]
    assert kept.share(torch.tensor(tokens).long().unsqueeze(0)) == 1


def test_a_missing_or_foreign_file_is_one_line(folder, tmp_path):
    provenance = read_provenance(folder / "provenance.yaml")
    with pytest.raises(UserError, match="layer_02_standard.npy: no such file"):
        read_standard(tmp_path, 2, provenance, 16)
    with pytest.raises(UserError, match="no mean and deviation of 12 channels"):
        read_standard(folder, 2, provenance, 12)
    assert read_standard(tmp_path, 2, {}, 16) is None
