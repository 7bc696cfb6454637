"""Predictors: from the upstream's hidden states to MOS."""

from abc import ABC, abstractmethod
from typing import List, Optional, Sequence, Tuple

import torch

from espnet2_distilmos.model.corpus_offset import CorpusOffset
from espnet2_distilmos.model.decoder import DECODERS
from espnet2_distilmos.model.frame_encoder import FrameEncoder
from espnet2_distilmos.model.further_scales import FurtherScales
from espnet2_distilmos.model.layer_weighting import LAYER_WEIGHTINGS
from espnet2_distilmos.model.listeners import ListenerEmbedding
from espnet2_distilmos.model.pooling import POOLINGS
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.ratings import for_pairs
from espnet2_distilmos.model.readout import (
    READOUT_WEIGHT,
    READOUTS,
    StatisticsReadout,
)
from espnet2_distilmos.model.token_heads import TokenHeads


class AbsPredictor(torch.nn.Module, ABC):
    """Base of all predictors.

    Attributes:
        target_layers: layer numbers that the token heads predict; empty = no heads.
        n_codebooks: heads a target layer.
        stride: upstream frames a frame of the prediction.
        corpus_offset: offsets of the training corpora, or None.
        listeners: what is known of single listeners, or None.
        readout: of pretrained states, whose score takes part, or None.
        readout_layers: numbers of the layers that it reads.
        further_scales: outputs beside that of the MOS, or None.
    """

    target_layers: Sequence[int] = ()
    n_codebooks: int = 1
    stride: int = 1
    readout_layers: Sequence[int] = ()

    def __init__(self):
        super().__init__()
        self.corpus_offset: Optional[CorpusOffset] = None
        self.listeners: Optional[ListenerEmbedding] = None
        self.readout: Optional[StatisticsReadout] = None
        self._readout_weight = 0.0
        self.further_scales: Optional[FurtherScales] = None

    @property
    def scales(self) -> Tuple[str, ...]:
        """Names of the scales that are predicted beside the MOS."""
        return () if self.further_scales is None else self.further_scales.names

    def forward(
        self,
        states: List[torch.Tensor],
        lengths: torch.Tensor,
        with_tokens: bool = False,
        corpus: Optional[torch.Tensor] = None,
        pairs: Optional[torch.Tensor] = None,
        pretrained: Sequence[torch.Tensor] = (),
    ) -> Prediction:
        """Score a batch, as the mean listener does, and for single listeners.

        Args:
            states: L tensors (B, T, D).
            lengths: (B,) frame counts.
            with_tokens: whether `token_logits` are wanted.
            corpus: (B,) numbers of the corpora whose scale is meant; None = the mean
                scale, which is that of any model without offsets. Further scales have
                no offsets.
            pairs: (P, 2) rows of the batch and listener numbers, scored besides; only
                with `listeners`.
            pretrained: (B, T, D) tensors that a readout reads. In training it has no
                part: the loss is of what is trained.
        """
        frames, steps, logits = self._encode(states, lengths, with_tokens)
        n_clips = len(frames)
        heard, n_heard, corpus = for_pairs(pairs, frames, steps, corpus)
        if self.listeners is not None:
            heard = self._listen(heard, self.listeners(n_clips, pairs).unsqueeze(1))
        frame_mos, *further = self._score(heard, n_heard)
        offset = None
        if self.corpus_offset is not None and corpus is not None:
            offset = self.corpus_offset(corpus).unsqueeze(1)
            frame_mos = frame_mos + offset
        mos = self._pool(frame_mos, heard, n_heard)
        frame_mos, listener_frames = frame_mos[:n_clips], frame_mos[n_clips:]
        mos, listener_mos = mos[:n_clips], mos[n_clips:]
        scores = [self._pool(x, heard, n_heard)[:n_clips] for x in further]
        further = [x[:n_clips] for x in further]
        if self.readout is not None and not self.training:
            reads = self.readout.read(pretrained, lengths, self.stride)
            read, frames_read = reads[0]
            if offset is not None:
                read = read + offset[:n_clips, 0]
                frames_read = frames_read + offset[:n_clips]
            mos = torch.lerp(mos, read, self._readout_weight)
            frame_mos = torch.lerp(frame_mos, frames_read, self._readout_weight)
            for i, (read, frames_read) in enumerate(reads[1:]):
                scores[i] = torch.lerp(scores[i], read, self._readout_weight)
                further[i] = torch.lerp(further[i], frames_read, self._readout_weight)
        return Prediction(
            mos,
            frame_mos,
            steps,
            logits,
            None if pairs is None else listener_mos,
            torch.stack(scores, -1) if scores else None,
            torch.stack(further, -1) if further else None,
            None if pairs is None else listener_frames,
        )

    @abstractmethod
    def _encode(
        self, states: List[torch.Tensor], lengths: torch.Tensor, with_tokens: bool
    ) -> Tuple[torch.Tensor, torch.Tensor, Optional[List[torch.Tensor]]]:
        """Return (B, T, H) frames, to which listeners are added, lengths and logits."""

    def _listen(self, frames: torch.Tensor, listeners: torch.Tensor) -> torch.Tensor:
        """Add (B, 1, H) listeners to (B, T, H) frames."""
        return frames + listeners

    @abstractmethod
    def _score(self, frames: torch.Tensor, lengths: torch.Tensor) -> List[torch.Tensor]:
        """Return (B, T) scores of (B, T, H) frames: MOS, then each further scale."""

    @abstractmethod
    def _pool(
        self, frame_mos: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Return (B,) scores of clips from (B, T) scores of frames."""

    @abstractmethod
    def rescale(self, slope: float, intercept: float) -> None:
        """Change the weights so that every MOS becomes `intercept + slope x MOS`.

        Further scales stay as they are.

        Args:
            slope: of the map.
            intercept: likewise, MOS units.
        """

    def layer_weights(self) -> Optional[torch.Tensor]:
        """Return (L,) weights of the layers, or None where they are not learned."""
        return None

    @torch.no_grad()
    def _rescale_offset(self, slope: float) -> None:
        if self.corpus_offset is not None:
            self.corpus_offset.raw.mul_(slope)

    def _add_raters(
        self,
        corpora: Optional[Sequence[str]],
        listeners: Optional[Sequence[str]],
        size: int,
    ) -> None:
        """Make `corpus_offset` and `listeners` (of `size` channels) if there are any.

        They draw no random numbers, so the other parts start as without them.
        """
        if corpora:
            self.corpus_offset = CorpusOffset(corpora)
        if listeners:
            self.listeners = ListenerEmbedding(listeners, size)


class DistilMOSPredictor(AbsPredictor):
    """The network of DistilMOS (arXiv 2601.13700).

    Args:
        layers: numbers of the layers that the upstream gives.
        input_size: channels of a hidden state (D).
        n_tokens: number of k-means clusters (k); 0 = no token heads.
        n_codebooks: tokens a frame and layer (residual k-means).
        target_layers: layers whose tokens are predicted; None = all of `layers`.
        hidden_size: channels inside (H).
        kernels: odd kernel sizes of the frame encoder's blocks; [] = none.
        strides: their strides.
        norm: of these blocks, `batch` (published) or `layer`.
        dropout: in the decoder.
        decoder: `lstm` (published) or `linear`.
        layer_weighting: `entmax` (published) or `softmax`.
        pooling: of frame scores, `mean` (published) or `attention`.
        corpora: names of the training corpora, for an offset each; None = no offsets.
        listeners: names of the listeners, for a vector each that is added to every
            frame before the decoder; None = no listener modelling.
        label_mean: mean of the training labels (MOS units), from which the scores then
            start; None = they start at 3.
        label_std: the labels' standard deviation, with `label_mean` only.
        readout: `statistics`; the score is then the weighted mean of the decoder's and
            of a readout's (:mod:`.readout`). None = as published.
        readout_layers: the layers that it reads, as pretrained; None = `layers`.
        readout_weight: its share in the score, in [0, 1].
        scales: further scales to predict, an output each on the decoder and, if there
            is one, on the readout; None = MOS alone (published).
        scale_means: means of their training labels, as `label_mean`.
        scale_stds: their standard deviations.
    """

    def __init__(
        self,
        layers: Sequence[int],
        input_size: int,
        n_tokens: int,
        n_codebooks: int = 1,
        target_layers: Optional[Sequence[int]] = None,
        hidden_size: int = 256,
        kernels: Sequence[int] = (5, 3, 3),
        strides: Sequence[int] = (1, 1, 1),
        dropout: float = 0.1,
        decoder: str = "lstm",
        layer_weighting: str = "entmax",
        pooling: str = "mean",
        corpora: Optional[Sequence[str]] = None,
        listeners: Optional[Sequence[str]] = None,
        label_mean: Optional[float] = None,
        label_std: float = 1.0,
        readout: Optional[str] = None,
        readout_layers: Optional[Sequence[int]] = None,
        readout_weight: float = READOUT_WEIGHT,
        scales: Optional[Sequence[str]] = None,
        scale_means: Optional[Sequence[float]] = None,
        scale_stds: Optional[Sequence[float]] = None,
        norm: str = "batch",
    ):
        super().__init__()
        for name, value, known in (
            ("decoder", decoder, DECODERS),
            ("layer_weighting", layer_weighting, LAYER_WEIGHTINGS),
            ("pooling", pooling, POOLINGS),
            ("readout", readout or "statistics", READOUTS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, not {value!r}")
        weighting_class = LAYER_WEIGHTINGS[layer_weighting]
        self.weighting = weighting_class(len(layers), input_size)
        shape = hidden_size, kernels, strides, norm
        self.frame_encoder = FrameEncoder(input_size, *shape)
        decoder_class = DECODERS[decoder]
        self.decoder = decoder_class(hidden_size, dropout, label_mean, label_std)
        self.pooling = POOLINGS[pooling](hidden_size)
        for stride in strides:
            self.stride *= stride
        # Made last, so that a seed gives the other parts the same start without them.
        self.token_heads = None
        if n_tokens > 0:
            self.target_layers = tuple(target_layers or layers)
            unknown = sorted(set(self.target_layers) - set(layers))
            if unknown:
                raise ValueError(f"target_layers {unknown} are not among {layers}")
            self.n_codebooks = n_codebooks
            self.token_heads = TokenHeads(
                len(self.target_layers) * n_codebooks, hidden_size, n_tokens
            )
        self._add_raters(corpora, listeners, hidden_size)
        if readout is not None:
            if not 0 <= readout_weight <= 1:
                raise ValueError("readout_weight must be in [0, 1]")
            self._readout_weight = readout_weight
            self.readout_layers = tuple(readout_layers or layers)
            self.readout = READOUTS[readout](
                *(len(self.readout_layers), input_size),
                *(3.0 if label_mean is None else label_mean, label_std),
                n_scales=len(scales or ()),
            )
        if scales:
            conf = scales, hidden_size, scale_means, scale_stds
            self.further_scales = FurtherScales(*conf)

    def _encode(self, states, lengths, with_tokens):
        frames, steps = self.frame_encoder(self.weighting(states), lengths)
        logits = self.token_heads(frames) if with_tokens and self.token_heads else None
        return frames, steps, logits

    def _score(self, frames, lengths):
        inner = self.decoder.inner(frames, lengths)
        scores = [self.decoder.output(inner).squeeze(-1)]
        if self.further_scales is not None:
            scores += self.further_scales(inner)
        return scores

    def _pool(self, frame_mos, frames, lengths):
        return self.pooling(frame_mos, frames, lengths)

    def rescale(self, slope: float, intercept: float) -> None:
        """See :class:`AbsPredictor`; listeners come before the output."""
        self.decoder.output.rescale(slope, intercept)
        if self.readout is not None:  # of a mean
            self.readout.rescale(slope, intercept)
        self._rescale_offset(slope)

    def layer_weights(self) -> torch.Tensor:
        """Return (L,) weights; they sum to 1."""
        return self.weighting.weights()
