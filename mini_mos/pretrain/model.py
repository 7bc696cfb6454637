"""S3PRL's WavLM with the heads of masked prediction."""

from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import torch

from espnet2_distilmos.model.upstream.checkpoint import quiet_s3prl
from espnet2_distilmos.model.upstream.safe_load import require_harmless


def build_wavlm(config: Dict[str, Any]) -> torch.nn.Module:
    """Build S3PRL's WavLM with fresh weights.

    Args:
        config: keys of `WavLMConfig` that differ from its defaults.

    Raises:
        UserError: a text in it that S3PRL would run.
    """
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    require_harmless(config, "the model's configuration")
    with quiet_s3prl():
        return WavLM(WavLMConfig(config))


def cnn_features(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Map waveforms (B, N) to what the transformer takes, (B, T, D)."""
    y = model.layer_norm(model.feature_extractor(x).transpose(1, 2))
    return y if model.post_extract_proj is None else model.post_extract_proj(y)


def hidden_states(
    model: torch.nn.Module, x: torch.Tensor, layers: Sequence[int]
) -> List[torch.Tensor]:
    """Return raw outputs (B, T, D) of blocks, counted from 1, of waveforms (B, N)."""
    # S3PRL counts blocks from 0, and stops after this one; entry 0 of the results is
    # what goes into the first.
    _, results = model.encoder(cnn_features(model, x), layer=max(layers) - 1)
    return [results[layer][0].transpose(0, 1) for layer in layers]


def draw_mask(
    rng: np.random.Generator, batch: int, frames: int, start: float, length: int
) -> torch.Tensor:
    """Return masked frames (batch, frames): spans begin with probability `start`.

    At least one frame is masked and one is not, so that both losses are defined.
    """
    mask = np.zeros((batch, frames), bool)
    starts = rng.random((batch, frames)) < start
    for shift in range(min(length, frames)):
        mask[:, shift:] |= starts[:, : frames - shift]
    mask[0, -1] = False
    mask[0, 0] |= not mask.any()
    return torch.from_numpy(mask)


class MaskedPredictor(torch.nn.Module):
    """The model and one linear layer for all code books.

    Args:
        config: of the WavLM.
        sizes: clusters of each code book.
    """

    def __init__(self, config: Dict[str, Any], sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.wavlm = build_wavlm(config)
        self.heads = torch.nn.Linear(
            self.wavlm.cfg.encoder_embed_dim, sum(self.sizes), bias=True
        )

    def frames(self, samples: int) -> int:
        """Return frames of a crop of so many samples."""
        with torch.no_grad():
            x = torch.zeros(1, samples, device=self.heads.weight.device)
            return cnn_features(self.wavlm, x).shape[1]

    def forward(
        self, x: torch.Tensor, mask: Optional[torch.Tensor]
    ) -> List[torch.Tensor]:
        """Return logits of each code book, (B, T, k); waveforms (B, N), mask (B, T)."""
        h = cnn_features(self.wavlm, x)
        if mask is not None:
            h = torch.where(mask[..., None], self.wavlm.mask_emb, h)
        y, _ = self.wavlm.encoder(h)
        return list(self.heads(y).split(self.sizes, dim=-1))
