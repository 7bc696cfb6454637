"""The WavLM adapter against S3PRL's own forward, and against padding."""

import pytest
import torch

from espnet2_distilmos.utils.errors import UserError

LENGTHS = [16000, 9001, 24123, 400, 12345]
STYLES = ("post", "pre")
styles = pytest.mark.parametrize("style", STYLES)


@torch.no_grad()
def alone(upstream, speech, lengths):
    """States of every clip, scored without company: per clip, per layer, (T, D)."""
    return [
        [s[0] for s in upstream(clip[None, :n], torch.tensor([n]))[0]]
        for clip, n in zip(speech, lengths.tolist())
    ]


@styles
def test_batch_equals_clip_by_clip(style, upstream_of, batch_of):
    upstream = upstream_of(style).eval()
    speech, lengths = batch_of(LENGTHS)
    with torch.no_grad():
        states, frames = upstream(speech, lengths)
    assert len(states) == 3
    assert frames.tolist() == [49, 27, 75, 1, 38]
    for i, expected in enumerate(alone(upstream, speech, lengths)):
        n = int(frames[i])
        for state, one in zip(states, expected):
            assert one.shape == (n, 16)
            torch.testing.assert_close(state[i, :n], one, rtol=0, atol=1e-5)
            assert (state[i, n:] == 0).all()


@styles
def test_layers_are_the_raw_block_outputs_of_s3prl(style, upstream_of, wavlm_conf):
    """Layer i against a hook on block i in S3PRL's forward of a single clip."""
    from s3prl.upstream.wavlm.expert import UpstreamExpert

    upstream = upstream_of(style).eval()
    expert = UpstreamExpert(wavlm_conf(style)["path_or_url"]).eval()
    outputs = []
    for block in expert.model.encoder.layers:
        block.register_forward_hook(lambda _, __, out: outputs.append(out[0]))
    clip = torch.randn(16000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        last = expert([clip])["hidden_states"][-1]
        states, _ = upstream(clip[None], torch.tensor([16000]))
    assert len(outputs) == len(states) == 3
    for output, state in zip(outputs, states):
        torch.testing.assert_close(state, output.transpose(0, 1), rtol=0, atol=1e-5)
    # S3PRL's last state is another thing in pre-norm models: after the last norm.
    assert torch.allclose(last, states[-1], atol=1e-5) == (style == "post")


def test_frame_counts_are_the_cnns(upstream_of):
    upstream = upstream_of()
    assert upstream.downsample == 320
    assert upstream.frame_shift == 0.02
    for n in (400, 719, 720, 16000, 16079, 16080, 31999):
        features = upstream.model.feature_extractor(torch.zeros(1, n))
        assert upstream.frame_count(n) == features.size(2), n
    assert upstream.frame_count(16000) == 49
    assert [upstream.frame_count(n) for n in (0, 1, 399)] == [0, 0, 0]


def test_too_short_a_clip_is_refused(upstream_of, batch_of):
    with pytest.raises(UserError, match="399 samples is too short"):
        upstream_of()(*batch_of([16000, 399]))


@styles
def test_layers_can_be_chosen(style, upstream_of, batch_of):
    batch = batch_of(LENGTHS[:2])
    with torch.no_grad():
        every, _ = upstream_of(style).eval()(*batch)
        chosen, _ = upstream_of(style, layers=[1, 3]).eval()(*batch)
        first, _ = upstream_of(style, layers=[1]).eval()(*batch)
    assert len(chosen) == 2 and len(first) == 1
    for a, b in ((chosen[0], every[0]), (chosen[1], every[2]), (first[0], every[0])):
        assert torch.equal(a, b)


def test_a_layer_too_many_is_refused(upstream_of):
    with pytest.raises(UserError, match="layer 4 was asked of wavlm_local.* 3 layers"):
        upstream_of(layers=[1, 4])


def test_normalize_takes_mean_and_scale_of_every_frame(upstream_of, batch_of):
    with torch.no_grad():
        (*_, state), _ = upstream_of("pre", normalize=True).eval()(*batch_of([9000]))
        (*_, raw), _ = upstream_of("pre").eval()(*batch_of([9000]))
    assert not torch.allclose(raw, state, atol=0.01)
    std = (raw.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    expected = (raw - raw.mean(-1, keepdim=True)) / std
    torch.testing.assert_close(state, expected, rtol=0, atol=1e-5)


def backward(upstream, batch):
    """Gradients of the upstream's parameters, by name, of a loss over all layers."""
    torch.manual_seed(0)
    states, _ = upstream(*batch)
    sum(s.square().sum() for s in states).backward()
    return {name: p.grad for name, p in upstream.named_parameters()}


@styles
@pytest.mark.parametrize(
    "conf",
    [{}, {"feature_grad_mult": 0.0}, {"layers": [1]}, {"layers": [1, 2]}],
    ids=str,
)
def test_what_gets_no_gradient_is_marked(style, conf, upstream_of, batch_of):
    """DDP stops at a parameter that wants a gradient and gets none."""
    upstream = upstream_of(style, **conf).train()
    gradients = backward(upstream, batch_of(LENGTHS[:2]))
    wanted = {name for name, p in upstream.named_parameters() if p.requires_grad}
    got = {name for name, g in gradients.items() if g is not None}
    assert wanted == got
    assert "model.encoder.layers.0.fc1.weight" in got


def cnn_gradients(gradients):
    return {n: g for n, g in gradients.items() if "feature_extractor" in n}


def test_feature_grad_mult_scales_the_cnns_gradient_only(upstream_of, batch_of):
    batch = batch_of(LENGTHS[:2])
    # Without dropout, so that both runs compute the same.
    still = {"dropout": 0.0, "attention_dropout": 0.0, "feature_grad_mult": 0.25}
    one = backward(upstream_of(config=still, feature_grad_mult=1).train(), batch)
    half = backward(upstream_of(config=still, feature_grad_mult=0.5).train(), batch)
    own = backward(upstream_of(config=still).train(), batch)
    none = backward(upstream_of(config=still, feature_grad_mult=0).train(), batch)
    names = cnn_gradients(one)
    assert len(names) == 9
    for name, gradient in one.items():
        if gradient is None:
            continue
        share = 0.5 if name in names else 1.0
        torch.testing.assert_close(half[name], share * gradient)
        # null: what the checkpoint was pretrained with.
        torch.testing.assert_close(own[name], (0.25 if name in names else 1) * gradient)
        assert (none[name] is None) == (name in names)


def test_a_frozen_upstream_is_as_pretrained(upstream_of, batch_of):
    batch = batch_of(LENGTHS[:2])
    upstream = upstream_of(freeze=True).train()
    states, _ = upstream(*batch)
    assert not any(s.requires_grad for s in states)
    assert not any(p.requires_grad for p in upstream.parameters())
    with torch.no_grad():
        expected, _ = upstream_of().eval()(*batch)
        dropped, _ = upstream_of().train()(*batch)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(dropped[-1], expected[-1], atol=1e-2)


def test_layerdrop_skips_blocks_in_training_only(upstream_of, batch_of):
    batch = batch_of(LENGTHS[:2])
    still = {"dropout": 0.0, "attention_dropout": 0.0, "encoder_layerdrop": 0.5}

    with torch.no_grad():
        (first, *_), _ = upstream_of(config=still).eval()(*batch)

    def skipped(upstream):
        """How often each of blocks 2 and 3 was skipped, of 40 times."""
        torch.manual_seed(0)
        counts = [0, 0]
        for _ in range(40):
            with torch.no_grad():
                states, _ = upstream(*batch)
            # Block 1 never is: it makes the position bias of all others.
            torch.testing.assert_close(states[0], first, rtol=0, atol=1e-5)
            for i in (0, 1):
                counts[i] += torch.equal(states[i], states[i + 1])
        return counts

    assert all(10 <= n <= 30 for n in skipped(upstream_of(config=still).train()))
    assert skipped(upstream_of(config=still).eval()) == [0, 0]
    assert skipped(upstream_of(config=still, layerdrop=0).train()) == [0, 0]
    often = skipped(upstream_of(config=still, layerdrop=0.95).train())
    assert all(n > 30 for n in often)
