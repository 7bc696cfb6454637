"""The frame encoder and its BatchNorm never look at padded frames."""

import pytest
import torch

from espnet2_distilmos.model.frame_encoder import FrameEncoder, ValidBatchNorm
from espnet2_distilmos.model.upstream.adapters import frame_mask


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_batch_norm_statistics_are_those_of_the_valid_frames():
    ours, plain = ValidBatchNorm(4), torch.nn.BatchNorm1d(4)
    torch.nn.init.normal_(ours.weight)
    torch.nn.init.normal_(ours.bias)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(3, 4, 7) * 2 + 1
    mask = frame_mask(torch.tensor([7, 2, 5]))
    x.transpose(1, 2)[~mask] = 1e6
    for training in (True, True, False):
        ours.train(training)
        plain.train(training)
        out = ours(x, mask).transpose(1, 2)
        torch.testing.assert_close(out[mask], plain(x.transpose(1, 2)[mask]))
        assert (out[~mask] == 0).all()
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value)
    assert ours.num_batches_tracked == 2


def test_batch_norm_of_one_valid_frame_in_training():
    """It has no variance; torch would raise."""
    norm = ValidBatchNorm(4)
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(4.0)
    x = torch.randn(1, 4, 3, requires_grad=True)
    out = norm.train()(x, frame_mask(torch.tensor([1]), 3))
    torch.testing.assert_close(out[0, :, 0], (x[0, :, 0] - 2) / (4 + 1e-5) ** 0.5)
    assert (out[0, :, 1:] == 0).all()
    out.sum().backward()
    assert (x.grad[0, :, 0] != 0).all() and (x.grad[0, :, 1:] == 0).all()
    assert norm.running_mean.tolist() == [2.0] * 4  # one frame teaches nothing


STRIDES = [(1, 1, 1), (2, 1, 1), (2, 3, 1), (1, 2, 2)]


@pytest.mark.parametrize("strides", STRIDES)
def test_batch_equals_alone(strides):
    encoder = FrameEncoder(6, 8, (5, 3, 3), strides)
    for buffer in encoder.buffers():
        if buffer.is_floating_point():
            torch.nn.init.uniform_(buffer, 0.5, 1.5)
    encoder.eval()
    lengths = torch.tensor([13, 1, 8, 7, 12])
    x = torch.randn(5, 13, 6)
    x[~frame_mask(lengths)] = 1e3
    out, steps = encoder(x, lengths)
    total = strides[0] * strides[1] * strides[2]
    assert steps.tolist() == [-(-n // total) for n in lengths.tolist()]
    assert out.shape == (5, -(-13 // total), 8)
    for i, n in enumerate(lengths.tolist()):
        alone, one = encoder(x[i : i + 1, :n], lengths[i : i + 1])
        assert one.tolist() == [steps[i]] == [alone.size(1)]
        torch.testing.assert_close(out[i, : steps[i]], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("strides", STRIDES)
def test_padding_changes_nothing_in_training(strides):
    """Outputs, running statistics and gradients, with more padding and without."""
    lengths = torch.tensor([9, 4, 6])
    x = torch.randn(3, 9, 6).double()
    longer = torch.cat([x, torch.full((3, 5, 6), 1e3).double()], 1)
    longer[~frame_mask(lengths, 14)] = -1e3
    results = []
    for batch in (x, longer):
        torch.manual_seed(1)
        encoder = FrameEncoder(6, 8, (5, 3, 3), strides).double().train()
        out, steps = encoder(batch, lengths)
        valid = out[frame_mask(steps, out.size(1))]
        (valid * torch.linspace(-1, 2, valid.numel()).view_as(valid)).sum().backward()
        gradients = [p.grad for p in encoder.parameters()]
        results.append([valid, *gradients, *encoder.buffers()])
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("kernels, strides", [((4, 3, 3), (1, 1, 1)), ((3,), (1, 1))])
def test_bad_shapes_are_refused(kernels, strides):
    with pytest.raises(ValueError, match="as many odd kernels as strides"):
        FrameEncoder(6, 8, kernels, strides)


def test_layer_norm_knows_neither_other_clips_nor_padding():
    encoder = FrameEncoder(6, 8, norm="layer").train()
    names = {name for name, _ in encoder.named_buffers()}
    assert names == set()
    x, lengths = torch.randn(2, 9, 6), torch.tensor([9, 5])
    both, steps = encoder(x, lengths)
    alone, _ = encoder(x[1:, :5], lengths[1:])
    torch.testing.assert_close(both[1, :5], alone[0])
    x[1, 5:] = 1e3
    torch.testing.assert_close(encoder(x, lengths)[0][1, :5], alone[0])
    block = encoder.blocks[0]
    y = torch.randn(2, 8, 9)
    mask = torch.arange(9) < lengths.unsqueeze(1)
    out = block.norm(y, mask)
    expected = torch.nn.functional.layer_norm(y.transpose(1, 2), (8,)).transpose(1, 2)
    torch.testing.assert_close(out, expected * mask.unsqueeze(1))
    with pytest.raises(ValueError, match="norm must be batch or layer"):
        FrameEncoder(6, 8, norm="group")
