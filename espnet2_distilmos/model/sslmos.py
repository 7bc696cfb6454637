"""SSL-MOS: the plainest predictor, for comparisons."""

from typing import Optional, Sequence

import torch

from espnet2_distilmos.model.decoder import ScaleOutput, mean_of_frames
from espnet2_distilmos.model.further_scales import FurtherScales
from espnet2_distilmos.model.predictor import AbsPredictor


class SSLMOSPredictor(AbsPredictor):
    """Plain SSL-MOS (arXiv 2110.02635): linear on the mean of the last layer.

    Args: see :class:`DistilMOSPredictor`; tokens are refused, there are no heads. A
        listener is a number that is added to the MOS.
    """

    def __init__(
        self,
        layers: Sequence[int],
        input_size: int,
        n_tokens: int,
        n_codebooks: int = 1,
        corpora: Optional[Sequence[str]] = None,
        listeners: Optional[Sequence[str]] = None,
        label_mean: Optional[float] = None,
        label_std: float = 1.0,
        scales: Optional[Sequence[str]] = None,
        scale_means: Optional[Sequence[float]] = None,
        scale_stds: Optional[Sequence[float]] = None,
    ):
        super().__init__()
        if n_tokens > 0:
            raise ValueError("SSL-MOS has no token heads; set token_weight to 0")
        self.output = ScaleOutput(input_size, label_mean, label_std)
        self._add_raters(corpora, listeners, 1)
        if scales:
            conf = scales, input_size, scale_means, scale_stds
            self.further_scales = FurtherScales(*conf)

    def _encode(self, states, lengths, with_tokens):
        # The mean of linear values is the linear value of the mean.
        frames = self.output(states[-1])
        if self.further_scales is not None:
            frames = torch.stack(
                [frames.squeeze(-1), *self.further_scales(states[-1])], -1
            )
        return frames, lengths, None

    def _listen(self, frames, listeners):
        return torch.cat([frames[..., :1] + listeners, frames[..., 1:]], -1)

    def _score(self, frames, lengths):
        return list(frames.unbind(-1))

    def _pool(self, frame_mos, frames, lengths):
        return mean_of_frames(frame_mos, lengths)

    @torch.no_grad()
    def rescale(self, slope: float, intercept: float) -> None:
        """See :class:`AbsPredictor`; a listener is added to the output."""
        self.output.rescale(slope, intercept)
        self._rescale_offset(slope)
        if self.listeners is not None:
            self.listeners.table.mul_(slope)
