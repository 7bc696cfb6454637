"""What all families share: options, gradients, layers."""

import pytest
import tiny_upstreams as tiny
import torch
from tiny_upstreams import LENGTHS

from espnet2_distilmos.model.upstream.adapters import ClipwiseAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.loader import build_upstream
from espnet2_distilmos.utils.errors import UserError

families = pytest.mark.parametrize("family", tiny.FAMILIES)
CASES = [(f, s) for f, s in tiny.CASES if f in tiny.FAMILIES]
cases = pytest.mark.parametrize("family, style", CASES)


def run(upstream):
    return upstream(*tiny.padded(tiny.noise(LENGTHS)))[0]


def gradients(upstream, seed=0):
    """Name -> gradient (or None) of a loss on all layers, in training mode."""
    torch.manual_seed(seed)
    upstream.train().zero_grad()
    # Weights that differ, since a norm has no gradient for the sum of its channels.
    weights = torch.linspace(-1, 2, 16)
    loss = sum((state * weights).square().mean() for state in run(upstream))
    loss.backward()
    return {name: p.grad for name, p in upstream.named_parameters()}


OPTIONS = (
    {"layerdrop": 0.0},
    {"layerdrop": 0.0, "feature_grad_mult": 0.0},
    {"layerdrop": 0.0, "feature_grad_mult": 0, "layers": [2]},
    {"layerdrop": 0.0, "gradient_checkpointing": True},
    {"layerdrop": 0.0, "layers": [0, 2]},
    {"layerdrop": 0.0, "frozen_layers": 1},
)


@cases
@pytest.mark.parametrize("options", OPTIONS)
def test_parameters_without_gradient_are_marked(family, style, options, load):
    """By a backward pass in which every parameter asks for one."""
    upstream = load(family, style, **options)
    marked = {name for name, p in upstream.named_parameters() if not p.requires_grad}
    # All others have a place in the order of rates.
    trained = {id(p) for p in upstream.parameters() if p.requires_grad}
    assert upstream.depths().keys() == trained
    upstream.requires_grad_(True)
    found = {name for name, grad in gradients(upstream).items() if grad is None}
    assert marked == found
    cnn = {name for name in marked if tiny.is_cnn(name)}
    assert bool(cnn) == bool(options.keys() & {"feature_grad_mult", "frozen_layers"})
    below = {name for name in marked if ".layers.0." in name}
    assert bool(below) == ("frozen_layers" in options)
    assert any(".layers.2." in name for name in marked) == ("layers" in options)


@families
def test_a_frozen_upstream_has_no_gradients_and_no_dropout(family, load):
    upstream = load(family, freeze=True)
    assert not any(p.requires_grad for p in upstream.parameters())
    states = run(upstream.train())
    assert not any(state.requires_grad for state in states)
    for state, again in zip(states, run(upstream.eval())):
        assert torch.equal(state, again)


@families
def test_frozen_layers_stay_as_pretrained_and_those_above_do_not(family, load):
    """Dropout and layerdrop take part above them only."""
    upstream = load(family, frozen_layers=1, layers=[0, 1, 2], layerdrop=0.0)
    first = run(upstream.train())
    again, still = run(upstream), run(upstream.eval())
    for layer in (0, 1):
        assert torch.equal(first[layer], still[layer])
        assert not first[layer].requires_grad
    assert first[2].requires_grad and not torch.equal(first[2], again[2])
    keys = {"frozen_layers": 1, "layers": [0, 1, 2], "layerdrop": 0.999}
    dropped = run(load(family, **keys).train())
    assert torch.equal(dropped[1], still[1]) and torch.equal(dropped[2], still[1])


@families
def test_more_frozen_layers_than_there_are_are_refused(family, load):
    with pytest.raises(UserError, match="frozen_layers 4 was asked of .* 3 layers"):
        load(family, frozen_layers=4)


@cases
def test_feature_grad_mult_scales_the_gradient_of_the_cnn(family, style, load):
    plain = gradients(load(family, style, layerdrop=0.0, feature_grad_mult=1.0))
    scaled = gradients(load(family, style, layerdrop=0.0, feature_grad_mult=0.25))
    for name, gradient in plain.items():
        if gradient is not None:
            factor = 0.25 if tiny.is_cnn(name) else 1.0
            torch.testing.assert_close(scaled[name], factor * gradient)


def test_what_a_checkpoint_was_pretrained_with_is_kept(load):
    """S3PRL sets both to 0 in the models that it loads."""
    for family in tiny.FAMILIES:
        upstream = load(family)
        expected = 1.0 if family.startswith("hf_") else 0.1
        assert (upstream.feature_grad_mult, upstream.layerdrop) == (expected, 0.05)
        assert load(family, freeze_cnn=True).feature_grad_mult == 0


@cases
def test_gradient_checkpointing_changes_no_gradient(family, style, load):
    """Dropout and layerdrop included."""
    keys = {"layerdrop": 0.3, "feature_grad_mult": 1.0}
    plain = gradients(load(family, style, **keys), seed=2)
    again = gradients(load(family, style, gradient_checkpointing=True, **keys), seed=2)
    for name, gradient in plain.items():
        assert (gradient is None) == (again[name] is None), name
        if gradient is not None:
            torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=1e-6)


@families
def test_gradients_are_those_of_clip_by_clip(family, load):
    """Also with the CNN on the batch, as on a GPU."""
    upstream = load(family, feature_grad_mult=1.0, freeze=False).eval()

    def of(batches):
        upstream.zero_grad()
        for clips in batches:
            states = upstream(*tiny.padded(clips))[0]
            sum(state.square().sum() for state in states).backward()
        return {n: p.grad for n, p in upstream.named_parameters() if p.requires_grad}

    clips = tiny.noise(LENGTHS)
    expected = of([[clip] for clip in clips])
    for on_batch in (False, True):
        upstream.cnn_on_batch = on_batch
        for name, gradient in of([clips]).items():
            scale = float(expected[name].abs().max()) + 1
            assert (gradient - expected[name]).abs().max() < 1e-4 * scale, name


@families
def test_layerdrop_skips_blocks_in_training_only(family, load):
    upstream = load(family, layerdrop=0.999)
    torch.manual_seed(0)
    first, second, third = run(upstream.train())
    assert torch.equal(first, second) and torch.equal(second, third)
    first, second, third = run(upstream.eval())
    assert not torch.equal(first, second) and not torch.equal(second, third)


@pytest.mark.parametrize("family", [f for f in tiny.FAMILIES if f.startswith("hf_")])
def test_no_frames_are_masked_in_training(family, tmp_path):
    none = ("hidden", "attention", "activation", "feat_proj")
    dropouts = {f"{n}_dropout": 0.0 for n in none} | {"dropout": 0.0}
    conf = tiny.make(
        family, tmp_path, mask_time_prob=0.9, mask_feature_prob=0.9, **dropouts
    )
    upstream = build_upstream(UpstreamConfig.from_dict({**conf, "layerdrop": 0}, "t"))
    trained = run(upstream.train())
    for state, expected in zip(trained, run(upstream.eval())):
        assert torch.equal(state, expected)


@families
@torch.no_grad()
def test_layers_can_be_chosen_and_limited(family, load):
    every = run(load(family).eval())
    upstream = load(family, layers=[1, 3]).eval()
    assert upstream.layers == upstream.active_layers == (1, 3)
    for state, expected in zip(run(upstream), [every[0], every[2]]):
        torch.testing.assert_close(state, expected)
    calls = []
    for block in upstream.encoder.layers:
        block.register_forward_hook(lambda *_: calls.append(1))
    upstream.limit_layers(2)
    assert upstream.active_layers == (1,) and upstream.layers == (1, 3)
    (state,) = run(upstream)
    assert len(calls) == 1  # layer 2 was not chosen, so block 2 need not run
    torch.testing.assert_close(state, every[0])
    upstream.limit_layers(None)
    assert len(run(upstream)) == 2
    with pytest.raises(ValueError, match="no layer"):
        upstream.limit_layers(0)


@cases
@torch.no_grad()
def test_layer_0_is_the_input_of_block_1(family, style, load, monkeypatch):
    """With an adapter of its own and clip by clip; in any batch the same."""
    clips = tiny.noise(LENGTHS)
    upstream = load(family, style, layers=[0, 2]).eval()
    assert upstream.layers == (0, 2) and upstream.has_input_state
    entered = []
    upstream.encoder.layers[0].register_forward_pre_hook(
        lambda _, args: entered.append(args[0])
    )
    states, frames = upstream(*tiny.padded(clips))
    (x,) = entered
    x = x if x.size(0) == len(clips) else x.transpose(0, 1)  # fairseq's (T, B, D)
    second = load(family, style, layers=[2]).eval()(*tiny.padded(clips))[0][0]
    torch.testing.assert_close(states[1], second)
    for row, clip in enumerate(clips):
        n = int(frames[row])
        torch.testing.assert_close(states[0][row, :n], x[row, :n], rtol=0, atol=0)
        alone = upstream(*tiny.padded([clip]))[0][0][0]
        torch.testing.assert_close(states[0][row, :n], alone, rtol=0, atol=1e-5)
        assert (states[0][row, n:] == 0).all()
    blocks = len(entered)
    alone = load(family, style, layers=[0]).eval()
    assert torch.equal(alone(*tiny.padded(clips))[0][0], states[0])
    upstream.limit_layers(0)
    assert upstream.active_layers == (0,)
    assert torch.equal(upstream(*tiny.padded(clips))[0][0], states[0])
    assert len(entered) == blocks  # no block is run
    if family == "hf_wavlm":  # S3PRL has no entry for it: never clip by clip
        return
    monkeypatch.setattr("espnet2_distilmos.model.upstream.loader.FAMILIES", ())
    clipwise = load(family, style, layers=[0, 2]).eval()
    assert type(clipwise) is ClipwiseAdapter and clipwise.layers == (0, 2)
    for state, other in zip(clipwise(*tiny.padded(clips))[0], states):
        torch.testing.assert_close(state, other, rtol=0, atol=1e-5)


def test_layer_0_of_a_filter_bank_is_refused():
    conf = UpstreamConfig.from_dict({"upstream": "fbank", "layers": [0, 1]}, "test")
    with pytest.raises(UserError, match="layer 0, the input of block 1, was asked"):
        build_upstream(conf)


@cases
def test_frame_counts_are_the_cnns(family, style, load):
    upstream = load(family, style).eval()
    assert (upstream.downsample, upstream.frame_shift) == (320, 0.02)
    if family == "hf_whisper":
        return  # test_whisper.py: its frames are others
    for n in (400, 719, 720, 16000, 16079, 16080):
        clip = tiny.noise([n])
        with torch.no_grad():
            states, frames = upstream(*tiny.padded(clip))
        assert states[0].size(1) == int(frames[0]) == upstream.frame_count(n), n
    assert upstream.frame_count(16000) == 49
    with pytest.raises(UserError, match="399 samples is too short"):
        upstream(*tiny.padded(tiny.noise([16000, 399])))


@pytest.mark.parametrize(
    "keys",
    [
        {"feature_grad_mult": 0.1},
        {"layerdrop": 0.0},
        {"gradient_checkpointing": True},
    ],
)
def test_options_that_would_do_nothing_are_refused(keys):
    conf = UpstreamConfig.from_dict({"upstream": "fbank", **keys}, "test")
    with pytest.raises(UserError, match=f"fbank: {next(iter(keys))} is for models"):
        build_upstream(conf)
