"""Losses: MOS regression, pairs of clips, ratings, and tokens as self-distillation."""

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import torch

from espnet2_distilmos.model.collectives import many_processes, rows_of_processes
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.ratings import Ratings
from espnet2_distilmos.model.regression import (
    CLIP,
    FRAME,
    LEVELS,
    REGRESSIONS,
    of_frames,
)
from espnet2_distilmos.model.token_loss import (
    HARD,
    SOFT,
    TARGETS,
    TokenLoss,
    token_accuracies,
)


class ContrastiveLoss(torch.nn.Module):
    """Differences between clips should be those of their labels (UTMOS, 2204.02152).

    Half the mean over all pairs of max(0, |predicted difference - true| - margin).
    With several processes the pairs are those of the whole batch.

    Args:
        margin: in MOS units.
    """

    def __init__(self, margin: float = 0.1):
        super().__init__()
        if margin < 0:
            raise ValueError("margin must not be negative")
        self.margin = margin

    def forward(self, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Map (B,) scores, (B,) labels -> () loss."""
        others = torch.stack([predicted, target.to(predicted.dtype)], dim=1).detach()
        if many_processes():
            others = rows_of_processes(others)
        error = predicted.unsqueeze(1) - others[:, 0]
        error = (error - (target.unsqueeze(1) - others[:, 1])).abs()
        total = (error - self.margin).clamp(min=0).mean()
        # Gradients go to the first clip of a pair only, since the other one may be of
        # another process; as each pair comes in both orders, that is half of them. So
        # the sum has the gradient of its half.
        return total - total.detach() / 2


class DistilMOSLoss(torch.nn.Module):
    """MOS regression + token_weight x token cross-entropy (arXiv 2601.13700).

    Args:
        regression: `l1` or `mse`.
        margin: errors up to this (MOS units) are ignored.
        token_weight: weight of the token loss; 0 = none, no tokens needed.
        label_smoothing: of the token loss (see :class:`TokenLoss`).
        contrastive_weight: weight of :class:`ContrastiveLoss`; 0 = none (published).
        contrastive_margin: its margin.
        listener_weight: with listener modelling, weight of the same regression on the
            ratings of single listeners.
        ratings_per_clip: of more ratings than these a clip, as many are drawn anew for
            every batch; None = all are used.
        unit: MOS units that count as 1 beside the token loss (nats), as 1 squared for
            `mse`; stats stay in MOS units.
        scale_units: of further scales, what counts as much as `unit` of the MOS; None =
            as many of their own units.
        regression_level: `clip`: the score is compared with the label (published), or
            `frame`: each of its frames is (:mod:`.regression`), also on further
            scales and of single listeners. The contrastive loss stays that of clips.
        state_weight: weight of the distance of trained states to pretrained ones
            (:func:`.holding.state_distance`); 0 = none (published).
        l2sp_weight: weight of half the squared distance of the upstream's parameters
            to their pretrained start (L2-SP, arXiv 1802.01483); 0 = none (published).
        token_layer_weights: of the token loss (see :class:`TokenLoss`).
        token_average: likewise.
        token_targets: `hard`: the token of a pretrained frame (published), or `soft`: a
            probability of each (:mod:`espnet2_distilmos.train.soft_targets`).
        token_temperature: of these, in units of a layer's inertia.
    """

    def __init__(
        self,
        regression: str = "l1",
        margin: float = 0.0,
        token_weight: float = 1.0,
        label_smoothing: float = 0.0,
        contrastive_weight: float = 0.0,
        contrastive_margin: float = 0.1,
        listener_weight: float = 1.0,
        ratings_per_clip: Optional[int] = 8,
        unit: float = 1.0,
        scale_units: Optional[Sequence[float]] = None,
        regression_level: str = CLIP,
        state_weight: float = 0.0,
        l2sp_weight: float = 0.0,
        token_layer_weights: Optional[Sequence[float]] = None,
        token_average: str = "frame",
        token_targets: str = HARD,
        token_temperature: float = 0.1,
    ):
        super().__init__()
        if regression not in REGRESSIONS:
            raise ValueError(f"regression must be l1 or mse, not {regression!r}")
        if regression_level not in LEVELS:
            raise ValueError(
                f"regression_level must be clip or frame, not {regression_level!r}"
            )
        weights = token_weight, contrastive_weight, listener_weight
        if min(*weights, state_weight, l2sp_weight) < 0:
            raise ValueError("weights of losses must not be negative")
        if ratings_per_clip is not None and ratings_per_clip < 1:
            raise ValueError("ratings_per_clip must be at least 1, or null for all")
        if token_targets not in TARGETS:
            raise ValueError(
                f"token_targets must be hard or soft, not {token_targets!r}"
            )
        if not token_temperature > 0:
            raise ValueError(
                f"token_temperature must be above 0, not {token_temperature}"
            )
        if not unit > 0:
            raise ValueError(f"unit must be above 0, not {unit}")
        if not all(scale_unit > 0 for scale_unit in scale_units or ()):
            raise ValueError(f"scale_units must be above 0, not {scale_units}")
        self.regression = REGRESSIONS[regression](margin)
        self.regression_level = regression_level
        self.unit = unit
        # What a regression of squares has too much of; 1 for one of errors.
        self.unit_of_square = unit ** (self.regression.power - 1)
        self.scale_units = scale_units
        self.contrastive = ContrastiveLoss(contrastive_margin)
        self.tokens = TokenLoss(label_smoothing, token_layer_weights, token_average)
        self.token_weight = token_weight
        self.soft_tokens = token_weight > 0 and token_targets == SOFT
        self.token_temperature = token_temperature
        self.contrastive_weight = contrastive_weight
        self.listener_weight = listener_weight
        self.state_weight = state_weight
        self.l2sp_weight = l2sp_weight
        self.ratings_per_clip = ratings_per_clip

    def forward(
        self,
        predicted: torch.Tensor,
        target: torch.Tensor,
        logits: Optional[List[torch.Tensor]] = None,
        tokens: Optional[torch.Tensor] = None,
        ratings: Optional[Ratings] = None,
        listener_mos: Optional[torch.Tensor] = None,
        scores: Optional[torch.Tensor] = None,
        labels: Optional[torch.Tensor] = None,
        frames: Optional[Prediction] = None,
        held: Optional[Mapping[str, torch.Tensor]] = None,
        soft: Optional[List[torch.Tensor]] = None,
    ) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """Compute the loss of a batch.

        With further scales the regression is, for each clip, the mean over the scales
        of which it has a label; the contrastive loss and the ratings are of the MOS.

        Args:
            predicted: (B,) utterance scores in MOS units.
            target: (B,) labels in MOS units.
            logits: one (B, T, k) tensor a target layer and codebook; needed if
                token_weight > 0.
            tokens: (B, T, M) token IDs of these; needed if token_weight > 0.
            ratings: of single listeners, or None.
            listener_mos: (P,) scores predicted for them.
            scores: (B, S) utterance scores on further scales, or None.
            labels: (B, S) their labels, NaN where a clip has none; with `scores` only.
            frames: the prediction with the scores of frames; needed at the level of
                frames.
            held: `state_loss` and `l2sp`, each () and needed if its weight is above 0.
            soft: of :class:`TokenLoss`; needed with soft targets.

        Returns:
            () loss, and detached stats: `loss`, `mos_loss`, `scales_loss` of all scales
            where there are further ones, `contrastive_loss` if that is used, with
            ratings `listener_loss` and, with tokens, `token_loss` (nats) and
            `token_acc`, in [0, 1], and what is used of `held`.

        Raises:
            ValueError: a weight > 0 without what it is of, or the level of frames
                without these.
        """
        if self.regression_level == FRAME and frames is None:
            raise ValueError("regression_level: frame needs the scores of frames")
        if self.regression_level == CLIP:
            frames = None
        if frames is None:
            mos_loss = self.regression(predicted, target)
        else:
            mos_loss = of_frames(
                self.regression, frames.frame_mos, frames.lengths, target
            )
        stats = {"mos_loss": mos_loss.detach()}
        loss = mos_loss
        if scores is not None and labels is not None:
            loss = self._of_scales(predicted, target, scores, labels, frames)
            stats["scales_loss"] = loss.detach()
        # The regression in MOS units, as the contrastive loss is; below all is divided
        # by the unit, so that either counts errors in that.
        loss = loss / self.unit_of_square
        if self.contrastive_weight > 0:
            contrastive = self.contrastive(predicted, target)
            loss = loss + self.contrastive_weight * contrastive
            stats["contrastive_loss"] = contrastive.detach()
        if ratings is not None:
            rated = ratings.scores, ratings.weights
            if frames is None or frames.listener_frame_mos is None:
                listener = self.regression(listener_mos, *rated)
            else:
                lengths = frames.lengths[ratings.pairs[:, 0]]
                listener = of_frames(
                    self.regression, frames.listener_frame_mos, lengths, *rated
                )
            loss = loss + self.listener_weight * (listener / self.unit_of_square)
            stats["listener_loss"] = listener.detach()
        if self.unit != 1.0:
            loss = loss / self.unit
        if self.token_weight > 0:
            if logits is None or tokens is None:
                raise ValueError("token_weight > 0 needs logits and tokens")
            if self.soft_tokens and soft is None:
                raise ValueError("token_targets: soft needs probabilities")
            tokens_loss = self.tokens(logits, tokens, soft)
            loss = loss + self.token_weight * tokens_loss
            stats["token_loss"] = tokens_loss.detach()
            stats["token_acc"] = token_accuracies(logits, tokens).mean()
        weights = {"state_loss": self.state_weight, "l2sp": self.l2sp_weight}
        for name, weight in weights.items():
            if weight > 0:
                if held is None or name not in held:
                    raise ValueError(f"a weight > 0 needs {name}")
                loss = loss + weight * held[name]
                stats[name] = held[name].detach()
        return loss, {"loss": loss.detach(), **stats}

    def _of_scales(
        self,
        predicted: torch.Tensor,
        target: torch.Tensor,
        scores: torch.Tensor,
        labels: torch.Tensor,
        frames: Optional[Prediction] = None,
    ) -> torch.Tensor:
        """Return the mean over clips of the mean over their scales, in MOS units."""
        further = None if frames is None else frames.frame_scores
        there = torch.isfinite(labels)
        # All outputs take part, some with no error: processes that share a batch wait
        # for a gradient of each.
        labels = torch.where(there, labels, scores.detach().to(labels.dtype))
        if self.scale_units is not None:
            worth = labels.new_tensor(self.scale_units)
            scores, labels = (self.unit * x / worth for x in (scores, labels))
            further = None if further is None else self.unit * further / worth
        weights = torch.cat([torch.ones_like(there[:, :1]), there], 1).to(labels.dtype)
        weights = weights / (weights.sum(1, keepdim=True) * len(weights))
        pairs = ((predicted, scores), (target, labels))
        both = [torch.cat([mos.unsqueeze(1), more], 1).flatten() for mos, more in pairs]
        if frames is None or further is None:
            return self.regression(*both, weights.flatten())
        of_all = torch.cat([frames.frame_mos.unsqueeze(-1), further], -1)
        of_all = of_all.transpose(1, 2).flatten(0, 1)  # (B x (1 + S), T)
        lengths = frames.lengths.repeat_interleave(weights.size(1))
        return of_frames(self.regression, of_all, lengths, both[1], weights.flatten())
