"""Whisper: against transformers' own extractor and encoder, and through S3PRL."""

import json
from pathlib import Path

import pytest
import tiny_upstreams as tiny
import torch

from espnet2_distilmos.model.upstream.hf_whisper.expert import LogMel
from espnet2_distilmos.model.upstream.hf_whisper.hubconf import hf_whisper_custom
from espnet2_distilmos.utils.errors import UserError

LENGTHS = [16000, 9001, 24123, 201, 12345, 64000]
BANDS = pytest.mark.parametrize("n_bands", [80, 128])


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    return tiny.make("hf_whisper", tmp_path_factory.mktemp("whisper"))


def extracted(extractor, clip, **keys):
    """(M, bands) of transformers' extractor, not padded."""
    found = extractor(clip.numpy(), sampling_rate=16000, padding="do_not_pad", **keys)
    return torch.as_tensor(found["input_features"][0]).T


@BANDS
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_front_end_is_that_of_transformers(n_bands, device):
    from transformers import WhisperFeatureExtractor

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    extractor = WhisperFeatureExtractor(feature_size=n_bands)
    log_mel = LogMel(extractor).to(device)
    # Zeros, too: there the floor below the maximum decides.
    clips = [
        *tiny.noise(LENGTHS),
        torch.zeros(8000),
        torch.cat(tiny.noise([900, 9000])),
    ]
    clips[-1][1200:] = 0
    for clip in clips:
        bands = log_mel(clip.to(device))
        assert bands.shape == (len(clip) // 160, n_bands)
        expected = extracted(extractor, clip)
        torch.testing.assert_close(bands.cpu(), expected, rtol=0, atol=2e-5)


def test_half_precision_leaves_the_front_end_alone():
    from transformers import WhisperFeatureExtractor

    log_mel = LogMel(WhisperFeatureExtractor())
    (clip,) = tiny.noise([16000])
    with torch.autocast("cpu", torch.bfloat16):
        half = log_mel(clip)
    assert torch.equal(half, log_mel(clip)) and half.dtype == torch.float32


@pytest.mark.parametrize("keys", [{}, {"gradient_checkpointing": True}], ids=str)
def test_a_step_in_half_precision_is_near_that_in_float32(conf, keys):
    """As use_amp does it, with padding in the batch."""
    upstream = tiny.build(conf, layerdrop=0.0, **keys).train()
    upstream.model.dropout = 0.0
    for block in upstream.model.layers:
        block.dropout = 0.0
    losses, gradients = [], []
    for amp in (False, True):
        upstream.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            states = upstream(*tiny.padded(tiny.noise([16000, 9001])))[0]
            loss = sum(state.float().square().mean() for state in states)
        loss.backward()
        losses.append(loss.item())
        trained = [p.grad for p in upstream.parameters() if p.grad is not None]
        gradients.append(torch.cat([g.float().flatten() for g in trained]))
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.95


@BANDS
@torch.no_grad()
def test_the_encoder_is_that_of_transformers(n_bands, tmp_path):
    """Its own forward, with its positions cut to the clip so that it takes one."""
    from transformers import WhisperFeatureExtractor, WhisperModel

    conf = tiny.make("hf_whisper", tmp_path, num_mel_bins=n_bands)
    upstream = tiny.build(conf, layers=[0, 1, 2, 3]).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(conf["path_or_url"])
    assert extractor.feature_size == n_bands
    outputs: list = []  # of the last block; the list's last state comes after the norm
    for n in [16000, 9000, 24123, 320, 64000]:  # an even number of log-mel frames
        (clip,) = tiny.noise([n])
        bands = extracted(extractor, clip).T[None]
        encoder = WhisperModel.from_pretrained(conf["path_or_url"]).encoder.eval()
        n_frames = bands.size(2) // 2
        encoder.config.max_source_positions = n_frames
        positions = encoder.embed_positions.weight[:n_frames]
        encoder.embed_positions = torch.nn.Embedding.from_pretrained(positions)
        encoder.layers[-1].register_forward_hook(lambda *args: outputs.append(args[2]))
        theirs = encoder(bands, output_hidden_states=True).hidden_states
        states, frames = upstream(*tiny.padded([clip]))
        assert frames.tolist() == [n_frames] == [upstream.frame_count(n)]
        for state, other in zip(states, [*theirs[:-1], outputs.pop()], strict=True):
            torch.testing.assert_close(state, other)
    assert not torch.allclose(states[-1], theirs[-1], atol=1e-2)


def test_frame_counts(conf):
    upstream = tiny.build(conf).eval()
    for n, expected in [
        (201, 1),
        (400, 1),
        (479, 1),
        (480, 2),
        (16000, 50),
        (64000, 200),
    ]:
        with torch.no_grad():
            states, frames = upstream(*tiny.padded(tiny.noise([n])))
        assert (
            states[0].size(1) == int(frames[0]) == upstream.frame_count(n) == expected
        )


def test_the_convolutions_have_a_rate_of_their_own(conf):
    from espnet2_distilmos.train.optimizer import build_optimizer

    model = torch.nn.Module()
    model.network = torch.nn.Module()
    model.network.upstream = upstream = tiny.build(conf)
    rates = {"upstream_lr": 0.01, "cnn_lr": 0.001}
    optimizer = build_optimizer(model, torch.optim.SGD, {"lr": 1.0}, **rates)
    found = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    names = {name: found.get(id(p)) for name, p in upstream.named_parameters()}
    of_cnn = {name for name, rate in names.items() if rate == 0.001}
    assert of_cnn == {f"model.conv{i}.{p}" for i in (1, 2) for p in ("weight", "bias")}
    untrained = {name for name, rate in names.items() if rate is None}
    assert untrained == {
        *("model.embed_positions.weight", "model.layer_norm.weight"),
        "model.layer_norm.bias",
    }


def test_too_short_and_too_long_are_one_line(conf):
    upstream = tiny.build(conf).eval()
    with pytest.raises(UserError, match="200 samples is too short"):
        upstream(*tiny.padded(tiny.noise([16000, 200])))
    with torch.no_grad():
        assert upstream(*tiny.padded([torch.zeros(480000)]))[1].tolist() == [1500]
    with pytest.raises(UserError, match="a clip of 30.0 s: .* at most 30 s at a time"):
        upstream(*tiny.padded([torch.zeros(16000), torch.zeros(480160)]))
    expert = hf_whisper_custom(conf["path_or_url"])
    for n in (200, 480160):
        with pytest.raises(ValueError, match="at most 30 s and more than 200"):
            expert([torch.zeros(n)])


@torch.no_grad()
def test_s3prl_loads_it_as_its_own(conf, monkeypatch):
    """With the entry among those of S3PRL's hub, where it is to go."""
    import s3prl.hub
    from s3prl.nn import S3PRLUpstream

    monkeypatch.setattr(s3prl.hub, conf["upstream"], hf_whisper_custom, raising=False)
    theirs = S3PRLUpstream(conf["upstream"], path_or_url=conf["path_or_url"]).eval()
    ours = tiny.build(conf, layers=[0, 1, 2, 3]).eval()
    assert theirs.num_layers == 4 and set(theirs.downsample_rates) == {320}
    speech, lengths = tiny.padded(tiny.noise([16000, 9001, 24123]))
    states, frames = ours(speech, lengths)
    for found, mine in zip(theirs(speech, lengths)[0], states):
        for row, n in enumerate(frames.tolist()):
            torch.testing.assert_close(found[row, :n], mine[row, :n], rtol=0, atol=1e-5)


def test_nothing_of_the_decoder_is_loaded(conf, capfd):
    upstream = tiny.build(conf)
    names = [name for name, _ in upstream.named_parameters()]
    assert names and not any("decoder" in name for name in names)
    assert not any("cross" in name or "encoder_attn" in name for name in names)
    assert "decoder" not in capfd.readouterr().err  # no report of what is left out


@pytest.mark.parametrize(
    "change",
    [{"n_fft": 10**9}, {"hop_length": 80}, {"feature_size": 128}, {"dither": 0.1}],
)
def test_another_front_end_is_refused(change, tmp_path):
    conf = tiny.make("hf_whisper", tmp_path)
    path = Path(conf["path_or_url"]) / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(
        UserError, match=f"preprocessor_config.json says {next(iter(change))}"
    ):
        tiny.build(conf)


def test_normalize_waveform(conf):
    (clip,) = tiny.noise([8000])
    quiet = 0.01 * clip
    with torch.no_grad():
        as_is = tiny.build(conf).eval()
        plain = [as_is(*tiny.padded([c]))[0][-1] for c in (clip, quiet)]
        levelled = tiny.build(conf, normalize_waveform=True).eval()
        same = [levelled(*tiny.padded([c]))[0][-1] for c in (clip, quiet)]
    assert (plain[0] - plain[1]).abs().max() > 1e-2
    # The eps of the norm tells the two apart.
    assert (same[0] - same[1]).abs().max() < (plain[0] - plain[1]).abs().max() / 5
