"""Loading an upstream: names, checkpoints made on the spot, fingerprints."""

import subprocess
import sys

import pytest
import torch

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter
from espnet2_distilmos.model.upstream.checkpoint import (
    weights_sha256,
    write_random_wavlm,
)
from espnet2_distilmos.model.upstream.config import (
    FINGERPRINT_KEYS,
    UpstreamConfig,
)
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.errors import UserError


def test_random_checkpoints_come_from_their_seed_alone(tmp_path, wavlm_conf):
    config = wavlm_conf()["random_init"]["config"]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    write_random_wavlm(tmp_path / "a.pt", 1, config)
    assert torch.equal(torch.rand(3), expected)  # the caller's generator is untouched
    torch.rand(7)
    write_random_wavlm(tmp_path / "b.pt", 1, config)
    write_random_wavlm(tmp_path / "c.pt", 2, config)
    a, b, c = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in "abc")
    assert a["cfg"] == b["cfg"] and a["cfg"]["encoder_embed_dim"] == 16
    assert a["model"].keys() == b["model"].keys()
    assert all(torch.equal(a["model"][k], b["model"][k]) for k in a["model"])
    assert not all(torch.equal(a["model"][k], c["model"][k]) for k in a["model"])


def test_a_checkpoint_that_is_there_is_not_made_again(upstream_of, wavlm_conf):
    upstream_of(seed=8)
    conf = wavlm_conf(seed=8)
    conf["random_init"]["seed"] = 9
    again = build_upstream(UpstreamConfig.from_dict(conf, "test"))
    assert again.fingerprint == upstream_of(seed=8).fingerprint


def test_fingerprints_tell_weights_and_configuration(upstream_of, wavlm_conf, tmp_path):
    def key(**conf):
        fingerprint = upstream_of(**conf).fingerprint
        return tuple(str(fingerprint[k]) for k in FINGERPRINT_KEYS)

    assert key() == key() == key(layers=[1], freeze=True, layerdrop=0.1)
    assert len({key(), key(seed=1), key(style="pre"), key(normalize=True)}) == 4
    # The same weights under another name, as after a move.
    conf = wavlm_conf()
    state = torch.load(conf["path_or_url"], weights_only=True)
    torch.save({"model": state["model"], "cfg": state["cfg"]}, tmp_path / "moved.pt")
    conf["path_or_url"] = str(tmp_path / "moved.pt")
    moved = build_upstream(UpstreamConfig.from_dict(conf, "test")).fingerprint
    assert tuple(str(moved[k]) for k in FINGERPRINT_KEYS) == key()


def test_fingerprint_is_of_the_weights_before_training(upstream_of):
    upstream = upstream_of()
    before = dict(upstream.fingerprint)
    with torch.no_grad():
        upstream.model.mask_emb.add_(1)
    assert upstream.fingerprint == before


@pytest.mark.parametrize("change", ["value", "name", "shape", "type"])
def test_weights_sha256_sees_every_change(change):
    module = torch.nn.Module()
    module.a = torch.nn.Parameter(torch.zeros(2, 3))
    before = weights_sha256(module)
    if change == "value":
        module.a.data[1, 2] = 1e-30
    elif change == "name":
        module.b = module.a
        del module.a
    elif change == "shape":
        module.a = torch.nn.Parameter(torch.zeros(3, 2))
    else:
        module.a = torch.nn.Parameter(torch.zeros(2, 3, dtype=torch.float16))
    assert weights_sha256(module) != before


def test_fbank_goes_clip_by_clip(batch_of):
    upstream = build_upstream(UpstreamConfig("fbank")).eval()
    assert isinstance(upstream, ClipwiseAdapter)
    assert (upstream.layers, upstream.hidden_size) == ((1,), 240)
    assert upstream.frame_shift == 0.01
    speech, lengths = batch_of([16000, 9001, 12345])
    (state,), frames = upstream(speech, lengths)
    for i, n in enumerate(lengths.tolist()):
        (one,), count = upstream(speech[i : i + 1, :n], lengths[i : i + 1])
        assert count.tolist() == [one.size(1)] == [frames[i]]
        torch.testing.assert_close(state[i, : frames[i]], one[0], rtol=0, atol=1e-5)
        assert (state[i, frames[i] :] == 0).all()
    with pytest.raises(UserError, match="layer 2 was asked of fbank, which has 1"):
        build_upstream(UpstreamConfig("fbank", layers=[2]))


class FakeExpert(torch.nn.Module):
    """An S3PRL upstream with layers of the given sizes, one frame in 100 samples."""

    def __init__(self, *sizes):
        super().__init__()
        self.scales = torch.nn.ParameterList(torch.full((n,), 1.0 * n) for n in sizes)

    def get_downsample_rates(self, key):
        return 100

    def forward(self, wavs):
        frames = [w.unfold(0, 100, 100).mean(1, keepdim=True) for w in wavs]
        states = torch.stack(frames)
        return {"hidden_states": [states * (i + s) for i, s in enumerate(self.scales)]}


def test_clipwise_layers_are_s3prls_states_in_order():
    upstream = ClipwiseAdapter(FakeExpert(4, 4, 4), UpstreamConfig("x", layers=[1, 3]))
    states, frames = upstream(torch.ones(2, 1000), torch.tensor([1000, 250]))
    assert frames.tolist() == [10, 2]
    assert [s[0, 0, 0].item() for s in states] == [4.0, 6.0]
    assert states[0][1, :, 0].tolist() == [4.0] * 2 + [0.0] * 8


def test_layers_of_different_sizes_are_refused():
    with pytest.raises(UserError, match="x: layers of different sizes"):
        ClipwiseAdapter(FakeExpert(4, 5), UpstreamConfig("x"))


def test_a_missing_checkpoint_is_named(tmp_path):
    conf = UpstreamConfig("wavlm_local", path_or_url=str(tmp_path / "absent.pt"))
    with pytest.raises(UserError, match="absent.pt: no such upstream checkpoint"):
        build_upstream(conf)


def test_loading_needs_neither_the_hub_nor_espnet(wavlm_conf):
    """They take 20 s to import; only an unknown name needs the hub."""
    code = (
        "import sys\n"
        "from espnet2_distilmos.model.upstream.config import UpstreamConfig\n"
        "from espnet2_distilmos.model.upstream.loader import build_upstream\n"
        f"build_upstream(UpstreamConfig(**{wavlm_conf()!r}))\n"
        "print(sorted({'s3prl.hub', 'espnet2', 'espnet'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_an_unknown_name_is_one_line_with_some_that_are_known():
    with pytest.raises(UserError, match="wavlm_bass.*wavlm_base") as caught:
        build_upstream(UpstreamConfig("wavlm_bass"))
    assert "\n" not in str(caught.value)
