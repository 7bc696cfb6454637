"""Whisper and layer 0 through all stages: frames, tokens, training, packing, scores."""

import logging
import shutil
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest
import tiny_upstreams as tiny
import torch
from stages import dump_frames, train_kmeans, write_tokens
from train_options import options

from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tokens.states import hidden_states
from espnet2_distilmos.utils.datadir import read_wav_scp
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml, write_yaml
from espnet2_distilmos.utils.network import no_connections

LAYERS = [0, 1, 3]


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    """Stages 2 to 5 on the noise of `corpus`."""
    root = tmp_path_factory.mktemp("whisper")
    (root / "original").mkdir()
    content = {**tiny.make("hf_whisper", root / "original"), "layers": LAYERS}
    conf = UpstreamConfig.from_dict(content, "test")
    write_yaml(root / "upstream.yaml", content)
    dump_frames(corpus.raw / "train", conf, root / "frames")
    train_kmeans(root / "frames", root / "kmeans", n_clusters=8)
    write_tokens([corpus.raw / "train", corpus.raw / "valid"], conf, root / "kmeans")
    stages = SimpleNamespace(
        raw=corpus.raw,
        stats=corpus.stats,
        kmeans=root / "kmeans",
        upstream=root / "upstream.yaml",
        provenance=root / "kmeans/provenance.yaml",
    )
    level = logging.getLogger().level
    try:
        DistilMOSTask.main(cmd=options(stages, root / "exp"))
    finally:
        logging.getLogger().setLevel(level)
    return SimpleNamespace(root=root, conf=conf, kmeans=stages.kmeans, raw=corpus.raw)


def test_tokens_are_the_nearest_centroids_from_layer_0_on(made):
    assert read_yaml(made.kmeans / "provenance.yaml")["layers"] == LAYERS
    upstream = build_upstream(made.conf).eval()
    tokens = kaldiio.load_scp(str(made.kmeans / "valid/tokens.scp"))
    for utt, path in read_wav_scp(made.raw / "valid/wav.scp").items():
        states = hidden_states(upstream, path)
        assert tokens[utt].shape == (len(states[0]), len(LAYERS))
        for column, (layer, state) in enumerate(zip(LAYERS, states)):
            centers = np.load(made.kmeans / f"layer_{layer:02d}.npy")
            x = state.numpy().astype(np.float64)
            nearest = ((x[:, None] - centers[None]) ** 2).sum(-1).argmin(1)
            assert (nearest == tokens[utt][:, column]).all()


def test_training_changes_the_encoder_and_not_the_positions(made):
    first = build_upstream(made.conf).model.state_dict()
    checkpoint = made.root / "exp/checkpoint.pth"
    last = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
    kept = {"embed_positions.weight", "layer_norm.weight", "layer_norm.bias"}
    for name, value in first.items():
        same = torch.equal(value, last[f"network.upstream.model.{name}"])
        assert same == (name in kept), name
    assert any("token_heads" in name for name in last)


def test_a_packed_model_scores_as_before_without_network_or_original(made, tools):
    exp = made.root / "exp"
    clips = [tools.speech(seconds) for seconds in (1.0, 0.3, 2.2)]
    model = DistilMOSInference(None, exp / "valid.srcc.best.pth")
    expected = model.score_batch(clips)
    for clip, one in zip(clips, expected):  # alone as in the batch
        assert model(clip)["mos"] == pytest.approx(one["mos"], abs=1e-5)
        assert len(one["frame_mos"]) == (len(clip) // 160 + 1) // 2
    archive = made.root / "packed.zip"
    pack_model(exp / "config.yaml", exp / "valid.srcc.best.pth", archive)
    shutil.move(made.root / "original", made.root / "gone")
    try:
        with no_connections():
            packed = DistilMOSInference.from_pretrained(str(archive))
        for one, before in zip(packed.score_batch(clips), expected, strict=True):
            assert one["mos"] == pytest.approx(before["mos"], abs=1e-5)
    finally:
        shutil.move(made.root / "gone", made.root / "original")
    assert describe_model(str(archive))["upstream"].startswith("hf_whisper_custom")
    # More than 30 s: in windows, all frames there.
    n = 16000 * 45 + 123
    result = packed(tools.speech(n / 16000))
    assert len(result["frame_mos"]) == packed.network.upstream.frame_count(n)
    whole = DistilMOSInference(None, exp / "valid.srcc.best.pth", window_seconds=None)
    with pytest.raises(UserError, match="at most 30 s at a time"):
        whole(tools.speech(31.0))
