"""The decoder: frames to one MOS value a frame."""

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
        """(B, T, H), (B,) -> (B, T, 2H); padded frames have no meaning."""
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
    """

    def __init__(self, size: int = 256, dropout: float = 0.1):
        super().__init__()
        self.conv = torch.nn.Conv1d(size, size, 3, padding=1)
        self.lstm = BiLSTM(size)
        self.dropout = torch.nn.Dropout(dropout)
        self.projection = torch.nn.Linear(2 * size, size)
        self.norm = torch.nn.LayerNorm(size)
        self.output = scale_output(size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(B, T, H), (B,) -> (B, T) values in MOS units; padded frames mean nothing."""
        mask = frame_mask(lengths, frames.size(1)).unsqueeze(-1)
        x = self.conv((frames * mask).transpose(1, 2)).transpose(1, 2)
        y = F.gelu(self.projection(self.dropout(self.lstm(x, lengths))))
        return self.output(self.norm(x + y)).squeeze(-1)


def scale_output(size: int) -> torch.nn.Linear:
    """A linear map to one MOS value that starts at 3, the middle of the scale.

    From zero the first steps of training would all go into the bias.
    """
    layer = torch.nn.Linear(size, 1)
    torch.nn.init.constant_(layer.bias, 3.0)
    return layer


def mean_of_frames(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(B, T), (B,) -> (B,): mean over valid frames."""
    mask = frame_mask(lengths, values.size(1))
    return values.masked_fill(~mask, 0.0).sum(1) / lengths
