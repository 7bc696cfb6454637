"""S3PRL's WavLM: exact in batches, raw block outputs."""

from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter, frame_mask
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.errors import UserError


class WavLMAdapter(UpstreamAdapter):
    """WavLM (arXiv 2110.13900) as S3PRL loads it.

    The CNN runs clip by clip, since its GroupNorm takes statistics over time;
    the transformer runs on the padded batch with the true mask. Layer i is the raw
    output of block i, also in pre-norm models, whose final LayerNorm is not applied.
    """

    @staticmethod
    def fits(expert: torch.nn.Module) -> bool:
        """Whether S3PRL's module is a WavLM."""
        return type(expert).__module__.startswith("s3prl.upstream.wavlm.")

    def __init__(self, expert: torch.nn.Module, conf: UpstreamConfig):
        super().__init__(conf)
        # The expert's hooks would keep a second reference to every hidden state.
        expert.remove_all_hooks()
        self.model = expert.model
        cfg = expert.cfg
        self.normalize_waveform = bool(
            cfg.normalize
            if conf.normalize_waveform == "checkpoint"
            else conf.normalize_waveform
        )
        self.n_blocks = len(self.model.encoder.layers)
        self.hidden_size = cfg.encoder_embed_dim
        self.convolutions = [
            (module.kernel_size[0], module.stride[0])
            for module in self.model.feature_extractor.modules()
            if isinstance(module, torch.nn.Conv1d)
        ]
        self.downsample = 1
        for _, stride in self.convolutions:
            self.downsample *= stride
        # S3PRL sets both to 0; None means what the checkpoint was pretrained with.
        self.feature_grad_mult = _choose(conf.feature_grad_mult, cfg.feature_grad_mult)
        self.layerdrop = _choose(conf.layerdrop, cfg.encoder_layerdrop)
        self._mark_untrained()
        self._select_layers()

    def _mark_untrained(self) -> None:
        """Parameters that can get no gradient would stop DDP."""
        self.model.mask_emb.requires_grad_(False)
        if self.feature_grad_mult == 0:
            self.model.feature_extractor.requires_grad_(False)
        if self.model.encoder.layer_norm_first:
            self.model.encoder.layer_norm.requires_grad_(False)

    def frame_count(self, n_samples: int) -> int:
        """Frames that the CNN makes of a clip: 16000 samples give 49."""
        for kernel, stride in self.convolutions:
            n_samples = (n_samples - kernel) // stride + 1
        return max(n_samples, 0)

    def _extract(self, clip: torch.Tensor) -> torch.Tensor:
        """(N,) waveform -> (T, C) CNN features."""
        from s3prl.upstream.wavlm.modules import GradMultiply

        if self.frame_count(len(clip)) < 1:
            raise UserError(
                f"a clip of {len(clip)} samples is too short for the upstream's CNN "
                "(less than one frame)"
            )
        if self.normalize_waveform:
            clip = F.layer_norm(clip, clip.shape)
        if self.feature_grad_mult == 0:
            with torch.no_grad():
                features = self.model.feature_extractor(clip.unsqueeze(0))
        else:
            features = self.model.feature_extractor(clip.unsqueeze(0))
            if self.feature_grad_mult != 1 and torch.is_grad_enabled():
                features = GradMultiply.apply(features, self.feature_grad_mult)
        return features[0].transpose(0, 1)

    def _forward_clips(
        self, clips: List[torch.Tensor]
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        features = [self._extract(clip) for clip in clips]
        lengths = torch.tensor([len(f) for f in features], device=clips[0].device)
        x = self.model.layer_norm(pad_sequence(features, batch_first=True))
        if self.model.post_extract_proj is not None:
            x = self.model.post_extract_proj(x)
        x = self.model.dropout_input(x)
        mask = frame_mask(lengths)
        # As floats to add, since torch wants the type of the position bias.
        padding = None
        if not bool(mask.all()):
            padding = torch.zeros_like(x[..., 0]).masked_fill(~mask, -torch.inf)
        # Past its end a clip must look to the positional convolution as if alone.
        x = x * mask.unsqueeze(-1)

        encoder = self.model.encoder
        x = x + encoder.pos_conv(x.transpose(1, 2)).transpose(1, 2)
        if not encoder.layer_norm_first:
            x = encoder.layer_norm(x)
        x = F.dropout(x, p=encoder.dropout, training=self.training)
        x = x.transpose(0, 1)  # (T, B, D), as the blocks want it
        states, position_bias = {}, None
        for number, block in enumerate(encoder.layers[: self.layers[-1]], 1):
            skipped = self.training and torch.rand(()).item() < self.layerdrop
            # Block 1 makes the position bias that all others share.
            if not skipped or number == 1:
                x, _, position_bias = block(
                    x,
                    self_attn_padding_mask=padding,
                    need_weights=False,
                    pos_bias=position_bias,
                )
            states[number] = x.transpose(0, 1)
        return [states[i] for i in self.layers], lengths


def _choose(value, default) -> float:
    return float(default if value is None else value)
