"""The decoder: an LSTM that equals a packed one, and the mean over valid frames."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from espnet2_distilmos.model.decoder import (
    DECODERS,
    BiLSTM,
    MOSDecoder,
    mean_of_frames,
)
from espnet2_distilmos.model.upstream.adapters import frame_mask


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_bilstm_equals_a_packed_one():
    """Outputs and gradients, with the same weights."""
    ours = BiLSTM(5)
    packed = torch.nn.LSTM(5, 5, batch_first=True, bidirectional=True)
    for name, value in ours.forwards.named_parameters():
        getattr(packed, name).data.copy_(value.data)
    for name, value in ours.backwards.named_parameters():
        getattr(packed, f"{name}_reverse").data.copy_(value.data)
    lengths = torch.tensor([7, 1, 9, 4])
    x = torch.randn(4, 9, 5)
    x[~frame_mask(lengths)] = 50.0
    out = ours(x, lengths)
    sequence = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(packed(sequence)[0], True)
    mask = frame_mask(lengths)
    torch.testing.assert_close(out[mask], expected[mask], rtol=0, atol=1e-6)

    weight = torch.randn(10)
    (out[mask] @ weight).sum().backward()
    (expected[mask] @ weight).sum().backward()
    for name, value in ours.forwards.named_parameters():
        torch.testing.assert_close(value.grad, getattr(packed, name).grad)
    for name, value in ours.backwards.named_parameters():
        torch.testing.assert_close(value.grad, getattr(packed, f"{name}_reverse").grad)


def test_batch_equals_alone():
    decoder = MOSDecoder(6).eval()
    lengths = torch.tensor([9, 1, 4])
    x = torch.randn(3, 9, 6)
    x[~frame_mask(lengths)] = 100.0
    out = decoder(x, lengths)
    assert out.shape == (3, 9)
    for i, n in enumerate(lengths.tolist()):
        alone = decoder(x[i : i + 1, :n], lengths[i : i + 1])
        torch.testing.assert_close(out[i, :n], alone[0], rtol=0, atol=1e-5)


def test_scores_start_at_the_middle_of_the_scale():
    assert MOSDecoder(6).output.bias.tolist() == [3.0]


@pytest.mark.parametrize("decoder", sorted(DECODERS))
@pytest.mark.parametrize("label_mean", [None, 60.0])
def test_scores_are_not_rounded_in_half_precision(decoder, label_mean):
    """Between 2 and 4 bfloat16 knows only 64ths, near 60 only quarters."""
    conf = {"label_mean": label_mean, "label_std": 10.0}
    decoder = DECODERS[decoder](6, 0.0, **(conf if label_mean else {})).eval()
    x, lengths = torch.randn(2, 9, 6), torch.tensor([9, 9])
    with torch.autocast("cpu", torch.bfloat16):
        scores = decoder(x, lengths)
        inner = decoder.inner(x, lengths)
    assert scores.dtype == torch.float32
    assert (scores != scores.bfloat16().float()).float().mean() > 0.5
    torch.testing.assert_close(scores, decoder.output(inner.float()).squeeze(-1))
    scores.sum().backward()
    assert decoder.output.weight.grad.dtype == torch.float32


def test_mean_of_frames():
    values = torch.tensor([[1.0, 2.0, 6.0], [4.0, float("nan"), float("inf")]])
    values.requires_grad_()
    mean = mean_of_frames(values, torch.tensor([3, 1]))
    assert mean.tolist() == [3.0, 4.0]
    mean.sum().backward()
    torch.testing.assert_close(
        values.grad, torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    )
