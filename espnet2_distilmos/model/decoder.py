"""Decoders: frames to one MOS value a frame."""

from typing import Dict, Optional, Type, Union

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.upstream.adapters import frame_mask


class BiLSTM(torch.nn.Module):
    """Bidirectional LSTM over padded batches, exact for every clip.

    The backward direction runs forward over clips that are reversed each within its
    own length, so padding always comes last. The same as a packed bidirectional
    `torch.nn.LSTM`, whose training step takes four times as long on a CPU (it fills
    a gradient of the whole batch for every time step).

    Args:
        size: channels of the input (H), also the hidden size a direction.
    """

    def __init__(self, size: int):
        super().__init__()
        self.forwards = torch.nn.LSTM(size, size, batch_first=True)
        self.backwards = torch.nn.LSTM(size, size, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, H), (B,) -> (B, T, 2H); padded frames have no meaning."""
        position = torch.arange(x.size(1), device=x.device)
        last = lengths.unsqueeze(1) - 1
        # Its own inverse: within a clip i <-> last - i, beyond it i <-> i.
        mirror = torch.where(position <= last, last - position, position).unsqueeze(-1)

        def reverse(y: torch.Tensor) -> torch.Tensor:
            return y.gather(1, mirror.expand_as(y))

        return torch.cat(
            [self.forwards(x)[0], reverse(self.backwards(reverse(x))[0])], dim=-1
        )


class MOSDecoder(torch.nn.Module):
    """Convolution, bidirectional LSTM with a residual, LayerNorm, linear to one value.

    Args:
        size: channels of a frame (H), also the LSTM's hidden size a direction.
        dropout: after the LSTM.
        label_mean: see :class:`ScaleOutput`.
        label_std: likewise.
    """

    def __init__(
        self,
        size: int = 256,
        dropout: float = 0.1,
        label_mean: Optional[float] = None,
        label_std: float = 1.0,
    ):
        super().__init__()
        self.conv = torch.nn.Conv1d(size, size, 3, padding=1)
        self.lstm = BiLSTM(size)
        self.dropout = torch.nn.Dropout(dropout)
        self.projection = torch.nn.Linear(2 * size, size)
        self.norm = torch.nn.LayerNorm(size)
        self.output = ScaleOutput(size, label_mean, label_std)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, H), (B,) -> (B, T) in MOS units; padded frames mean nothing."""
        return self.output(self.inner(frames, lengths)).squeeze(-1)

    def inner(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, H), (B,) -> (B, T, H), what the output is a map of."""
        mask = frame_mask(lengths, frames.size(1)).unsqueeze(-1)
        x = self.conv((frames * mask).transpose(1, 2)).transpose(1, 2)
        y = F.gelu(self.projection(self.dropout(self.lstm(x, lengths))))
        return self.norm(x + y)


class LinearDecoder(torch.nn.Module):
    """Linear to one value: the score is that of the mean frame.

    It learns in a few hundred steps where :class:`MOSDecoder` needs more.

    Args: see :class:`MOSDecoder`; dropout is before the map.
    """

    def __init__(
        self,
        size: int = 256,
        dropout: float = 0.1,
        label_mean: Optional[float] = None,
        label_std: float = 1.0,
    ):
        super().__init__()
        self.dropout = torch.nn.Dropout(dropout)
        self.output = ScaleOutput(size, label_mean, label_std)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, H), (B,) -> (B, T) in MOS units; padded frames mean nothing."""
        return self.output(self.inner(frames, lengths)).squeeze(-1)

    def inner(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map (B, T, H), (B,) -> (B, T, H), what the output is a map of."""
        return self.dropout(frames)


DECODERS: Dict[str, Type[Union[MOSDecoder, LinearDecoder]]] = {
    "lstm": MOSDecoder,
    "linear": LinearDecoder,
}


class ScaleOutput(torch.nn.Linear):
    """A linear map to one MOS value.

    Without `label_mean` it starts at 3, the middle of the scale: from zero the first
    steps of training would all go into the bias. With it the map is to labels less
    their mean in units of their deviation, from where any scale is as near.

    Args:
        size: channels of the input.
        label_mean: of the training labels (MOS units), or None.
        label_std: their standard deviation.
    """

    def __init__(
        self, size: int, label_mean: Optional[float] = None, label_std: float = 1.0
    ):
        super().__init__(size, 1)
        if not label_std > 0:
            raise ValueError(f"label_std must be above 0, not {label_std}")
        self.label_mean, self.label_std = label_mean, label_std
        start = 3.0 if label_mean is None else 0.0
        torch.nn.init.constant_(self.bias, start)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., size) -> (..., 1) in MOS units, in the precision of the weights."""
        # Half precision would round scores by hundredths.
        with torch.autocast(x.device.type, enabled=False):
            if x.dtype != self.weight.dtype:
                x = x.to(self.weight.dtype)
            y = super().forward(x)
        if self.label_mean is None:
            return y
        return self.label_mean + self.label_std * y

    @torch.no_grad()
    def rescale(self, slope: float, intercept: float) -> None:
        """Make it the map to `intercept + slope x value`, in MOS units."""
        mean = 0.0 if self.label_mean is None else self.label_mean
        std = 1.0 if self.label_mean is None else self.label_std
        self.weight.mul_(slope)
        self.bias.mul_(slope).add_((intercept + slope * mean - mean) / std)


def mean_of_frames(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Map (B, T), (B,) -> (B,): mean over valid frames."""
    mask = frame_mask(lengths, values.size(1))
    return values.masked_fill(~mask, 0.0).sum(1) / lengths
