"""The upstream option `normalize_waveform`."""

import pytest
import torch
import torch.nn.functional as F

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.tokens.provenance import require_tokens_of
from espnet2_distilmos.utils.errors import UserError


def states(path, clip, value):
    conf = {"upstream": "wavlm_local", "path_or_url": path, "normalize_waveform": value}
    upstream = build_upstream(UpstreamConfig.from_dict(conf, "test")).eval()
    with torch.no_grad():
        return upstream(clip[None], torch.tensor([len(clip)]))[0][-1]


@pytest.mark.parametrize("in_checkpoint", [True, False])
def test_it_overrides_the_checkpoint(tmp_path, tools, in_checkpoint):
    folder = tools.model(tmp_path, wavlm={"normalize": in_checkpoint})
    path = str(folder / "original.pt")
    clip = torch.from_numpy(tools.speech(0.3)) + 0.1
    raw, normalized = states(path, clip, False), states(path, clip, True)
    assert not torch.allclose(raw, normalized, atol=1e-3)
    torch.testing.assert_close(
        normalized, states(path, F.layer_norm(clip, clip.shape), False)
    )
    as_checkpoint = states(path, clip, "checkpoint")
    torch.testing.assert_close(as_checkpoint, normalized if in_checkpoint else raw)


def test_refusals():
    with pytest.raises(UserError, match="must be checkpoint, true or false"):
        UpstreamConfig.from_dict({"upstream": "x", "normalize_waveform": "yes"}, "test")
    conf = {"upstream": "fbank", "normalize_waveform": False}
    with pytest.raises(UserError, match="fbank: normalize_waveform is for models"):
        build_upstream(UpstreamConfig.from_dict(conf, "test"))


def test_tokens_from_before_the_option_still_fit():
    made = {
        "upstream": "a",
        "weights_sha256": "0",
        "normalize": False,
        "extra_conf": {},
    }
    now = {**made, "normalize_waveform": "checkpoint"}
    require_tokens_of({"upstream": made}, now)
    with pytest.raises(UserError, match="normalize_waveform is 'checkpoint' for the"):
        require_tokens_of({"upstream": made}, {**now, "normalize_waveform": False})
