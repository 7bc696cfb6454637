"""Models of no family, which run clip by clip."""

import pytest
import tiny_upstreams as tiny
import torch
from tiny_upstreams import LENGTHS

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.hugging_face import HuggingFaceAdapter
from espnet2_distilmos.model.upstream.loader import build_upstream

CASES = [c for c in tiny.CASES if c[0] in tiny.FAMILIES and c[0] != "hf_wavlm"]


@pytest.mark.parametrize("family, style", CASES)
def test_clipwise_layers_are_raw_block_outputs_too(family, style, load, monkeypatch):
    expected = load(family, style).eval()
    monkeypatch.setattr("espnet2_distilmos.model.upstream.loader.FAMILIES", ())
    upstream = load(family, style).eval()
    assert type(upstream) is ClipwiseAdapter
    batch = tiny.padded(tiny.noise([3100, 6400, 3500, 4000]))
    with torch.no_grad():
        (states, frames), (others, counts) = upstream(*batch), expected(*batch)
        upstream.limit_layers(2)
        assert len(upstream(*batch)[0]) == 2
    assert len(states) == 3 and torch.equal(frames, counts)
    for state, other in zip(states, others):
        torch.testing.assert_close(state, other, rtol=0, atol=1e-5)
    marked = {n for n, p in upstream.named_parameters() if not p.requires_grad}
    if not family.startswith("hf_"):
        assert any("feature_extractor" in n for n in marked)  # as S3PRL has it
    assert not any("encoder.layers" in n for n in marked)


def test_conformers_run_clip_by_clip(tmp_path):
    """A wav2vec 2.0 by its class, but its blocks are others."""
    conf = tiny.make(
        "wav2vec2", tmp_path, layer_type="conformer", depthwise_conv_kernel_size=3
    )
    upstream = build_upstream(UpstreamConfig.from_dict(conf, "test")).eval()
    assert type(upstream) is ClipwiseAdapter
    clips = tiny.noise(LENGTHS)
    with torch.no_grad():
        states, frames = upstream(*tiny.padded(clips))
        for i, clip in enumerate(clips):
            single, n = upstream(*tiny.padded([clip]))
            for state, one in zip(states, single):
                assert torch.equal(state[i, : int(n)], one[0])


def test_a_batch_norm_before_positions_runs_clip_by_clip():
    class Model:
        class encoder:
            class pos_conv_embed:
                batch_norm = torch.nn.BatchNorm1d(4)

    assert not HuggingFaceAdapter.supports(Model)
