"""The encoder of Whisper (arXiv 2212.04356) on clips as long as they are.

transformers has the network. Its own forward takes 30 s and nothing else; here a clip
is not padded to that, and its frames get the first positions.
"""

from typing import Any, Dict, List, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.utils.audio import SAMPLE_RATE

# Names in the files of whole models, as those of the encoder alone.
_OF_ENCODER = {r"^(model\.)?encoder\.": ""}


class LogMel(torch.nn.Module):
    """Log-mel bands of one clip, as transformers' feature extractor computes them.

    Windows of 25 ms every 10 ms, Slaney's mel bands, log10 of the power, floored at 8
    below the clip's maximum, (x + 4) / 4. On whatever device the clip is on.

    Args:
        extractor: transformers' WhisperFeatureExtractor, whose numbers are taken.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, extractor: Any):
        super().__init__()
        self.n_fft, self.hop = int(extractor.n_fft), int(extractor.hop_length)
        filters = torch.from_numpy(extractor.mel_filters).float().T.contiguous()
        # Not among the weights: the extractor's numbers say all of it.
        self.register_buffer("filters", filters, persistent=False)
        window = torch.hann_window(self.n_fft)
        self.register_buffer("window", window, persistent=False)

    def n_frames(self, n_samples: int) -> int:
        """Frames of a clip; 0 for one that is too short to be mirrored at its ends."""
        return n_samples // self.hop if n_samples > self.n_fft // 2 else 0

    @torch.no_grad()
    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        """(N,) samples -> (N // 160, bands)."""
        # Half precision has too few digits for the sum over a band.
        with torch.autocast(wav.device.type, enabled=False):
            spectrum = torch.stft(
                wav.float(),
                self.n_fft,
                self.hop,
                window=self.window,
                return_complex=True,
            )
            power = spectrum[:, : self.n_frames(len(wav))].abs().square()
            return log_bands(self.filters, power)


def log_bands(filters: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Map (bands, F) filters and (F, M) power -> (M, bands), of one clip."""
    bands = (filters @ power).clamp(min=1e-10).log10()
    return ((torch.maximum(bands, bands.max() - 8) + 4) / 4).T


def convolve(
    encoder: Any, bands: torch.Tensor, lengths: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Run the two convolutions of an encoder on a batch, each clip as if alone.

    Args:
        encoder: transformers' WhisperEncoder.
        bands: (B, M, bands), zero behind the end of each clip.
        lengths: (B,) true numbers of frames.

    Returns:
        (B, T, D) features, anything behind the end of a clip, and (B,) true numbers.
    """
    x = F.gelu(encoder.conv1(bands.transpose(1, 2)))
    # A convolution sees zeros behind the end of a clip that is alone.
    behind = torch.arange(x.size(2), device=x.device) >= lengths.unsqueeze(1)
    x = F.gelu(encoder.conv2(x.masked_fill(behind.unsqueeze(1), 0.0)))
    return x.transpose(1, 2), (lengths + 1) // 2


class UpstreamExpert(torch.nn.Module):
    """Whisper's encoder with S3PRL's interface; nothing of the decoder is loaded.

    Args:
        ckpt: folder that `save_pretrained` wrote, or name of a repository on the hub.
    """

    def __init__(self, ckpt: str, **kwds: Any):
        from transformers import WhisperFeatureExtractor
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        super().__init__()
        self.log_mel = LogMel(WhisperFeatureExtractor.from_pretrained(ckpt))
        self.model = WhisperEncoder.from_pretrained(ckpt, key_mapping=_OF_ENCODER)

    def get_downsample_rates(self, key: str) -> int:
        """Return the samples a frame: 320 (20 ms)."""
        return self.log_mel.hop * 2

    def forward(self, wavs: List[torch.Tensor]) -> Dict[str, Any]:
        """Compute the hidden states of clips.

        Args:
            wavs: (N_b,) samples at 16 kHz.

        Returns:
            `hidden_states`: (B, T, D) each, the input of the first block and the raw
            output of every block; `last_hidden_state`: the last one after the final
            LayerNorm. Zero behind the end of a clip.

        Raises:
            ValueError: a clip that is too short, or longer than the positions.
        """
        counts = [self.log_mel.n_frames(len(wav)) for wav in wavs]
        most = 2 * self.model.embed_positions.num_embeddings
        if min(counts) < 1 or max(counts) > most:
            seconds = most * self.log_mel.hop / SAMPLE_RATE
            raise ValueError(
                f"clips of {[len(wav) for wav in wavs]} samples: at most {seconds:g} s "
                f"and more than {self.log_mel.n_fft // 2} samples are needed"
            )
        bands = pad_sequence([self.log_mel(wav) for wav in wavs], batch_first=True)
        frames = torch.tensor(counts, device=bands.device)
        x, frames = convolve(self.model, bands, frames)
        behind = torch.arange(x.size(1), device=x.device) >= frames.unsqueeze(1)
        mask = torch.zeros_like(x[..., 0]).masked_fill(behind, -torch.inf)
        x = x + self.model.embed_positions.weight[: x.size(1)]
        x = F.dropout(x, self.model.dropout, self.training)
        states = [x]
        for block in self.model.layers:
            x = block(x, mask[:, None, None])
            states.append(x)
        last = self.model.layer_norm(x)
        behind = behind.unsqueeze(-1)
        return {
            "hidden_states": [state.masked_fill(behind, 0.0) for state in states],
            "last_hidden_state": last.masked_fill(behind, 0.0),
        }
