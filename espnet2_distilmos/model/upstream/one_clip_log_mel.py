"""Whisper's log-mel bands in operators that every graph format has."""

import torch
import torch.nn.functional as F

from espnet2_distilmos.model.upstream.hf_whisper.expert import LogMel, log_bands


class OneClipLogMel(torch.nn.Module):
    """The bands of :class:`LogMel`, with the spectrum as a convolution with waves.

    A graph format has no complex numbers, or no quick spectrum of 400 samples. The
    convolution is 4 % of the multiplications of Whisper tiny's encoder.

    Args:
        log_mel: whose numbers are taken.
    """

    waves: torch.Tensor
    filters: torch.Tensor

    def __init__(self, log_mel: LogMel):
        super().__init__()
        self.n_fft, self.hop = log_mel.n_fft, log_mel.hop
        # In double precision: the quietest band counts at 1e-8 of the loudest.
        steps = torch.arange(self.n_fft, dtype=torch.float64)
        bins = torch.arange(self.n_fft // 2 + 1, dtype=torch.float64).unsqueeze(1)
        angles = 2 * torch.pi * torch.remainder(bins * steps, self.n_fft) / self.n_fft
        waves = torch.cat([angles.cos(), angles.sin()]) * log_mel.window.double().cpu()
        self.register_buffer("waves", waves.unsqueeze(1).float())
        self.register_buffer("filters", log_mel.filters)

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """(N,) samples -> (N // 160, bands); N > 200."""
        ends = (self.n_fft // 2, self.n_fft // 2)
        padded = F.pad(wav.view(1, 1, -1), ends, mode="reflect")
        # As many frames as the hop fits into the clip: the last one is not used.
        parts = F.conv1d(padded, self.waves, stride=self.hop)[0, :, :-1]
        real, imaginary = parts.square().chunk(2)
        return log_bands(self.filters, real + imaginary)
