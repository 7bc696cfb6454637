"""The model as ESPnet's trainer sees it."""

import logging
from typing import Any, Dict, List, Optional, Sequence

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from typeguard import typechecked

from espnet2_distilmos.model.holding import (
    PretrainedStart,
    state_distance,
    trained_layers,
)
from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.network import MOSNetwork
from espnet2_distilmos.model.pooling import AttentionPooling
from espnet2_distilmos.model.prediction import Prediction
from espnet2_distilmos.model.ratings import Ratings, pick_ratings
from espnet2_distilmos.model.regression import FRAME
from espnet2_distilmos.model.token_loss import token_accuracies
from espnet2_distilmos.train.soft_targets import SoftTargets
from espnet2_distilmos.train.token_kept import TokenKept
from espnet2_distilmos.utils.errors import UserError


class ESPnetDistilMOSModel(AbsESPnetModel):
    """Network and loss.

    Args:
        network: upstream and predictor; the upstream as pretrained, for what holds it
            there (:mod:`~..model.holding`).
        loss: MOS regression and token loss.
        n_tokens: number of k-means clusters (k); 0 where tokens take no part.
        token_columns: the columns of the target layers in the token matrices, those of
            a layer's codebooks one after another.
        token_width: columns of the token matrices; None = not checked.
        corpora: names of the corpora in the order of their numbers, for the trainer.
        extract_feats_in_collect_stats: read by ESPnet before the model is built;
            false, since statistics need only lengths and no upstream.

    Raises:
        UserError: pooling that would not learn, an upstream that cannot be held, or
            other weights of layers than there are layers.
    """

    @typechecked
    def __init__(
        self,
        network: MOSNetwork,
        loss: DistilMOSLoss,
        n_tokens: int = 0,
        token_columns: Optional[List[int]] = None,
        token_width: Optional[int] = None,
        corpora: Sequence[str] = (),
        extract_feats_in_collect_stats: bool = False,
    ):
        super().__init__()
        pooling = getattr(network.predictor, "pooling", None)
        if (
            loss.regression_level == FRAME
            and not loss.contrastive_weight
            and isinstance(pooling, AttentionPooling)
        ):
            raise UserError(
                "loss_conf regression_level: frame teaches frames, not the weights of "
                "predictor_conf pooling: attention; take mean, or a contrastive_weight"
            )
        layers, weights = network.predictor.target_layers, loss.tokens.layer_weights
        if layers and weights is not None and len(weights) != len(layers):
            raise UserError(
                f"loss_conf token_layer_weights has {len(weights)} weights, but tokens "
                f"of {len(layers)} layers are predicted ({list(layers)}): one each"
            )
        self.network = network
        self.loss = loss
        self.n_tokens = n_tokens
        self.token_columns = token_columns
        self.token_width = token_width
        self.corpora = tuple(corpora)
        self.extract_feats_in_collect_stats = extract_feats_in_collect_stats
        self.token_kept: Optional[TokenKept] = None  # set where it is asked for
        self.soft_targets: Optional[SoftTargets] = None  # likewise
        upstream = network.upstream
        self.held_layers = trained_layers(upstream) if loss.state_weight > 0 else ()
        compared = {*self.held_layers, *(layers if loss.soft_tokens else ())}
        if compared:
            upstream.keep_pretrained(sorted(compared), compared=True)
        self.start: Optional[PretrainedStart] = None
        if loss.l2sp_weight > 0:
            self.start = PretrainedStart(upstream)

    def forward(
        self,
        speech: torch.Tensor,
        speech_lengths: torch.Tensor,
        mos: torch.Tensor,
        tokens: Optional[torch.Tensor] = None,
        tokens_lengths: Optional[torch.Tensor] = None,
        system: Optional[torch.Tensor] = None,
        corpus: Optional[torch.Tensor] = None,
        ratings: Optional[torch.Tensor] = None,
        ratings_lengths: Optional[torch.Tensor] = None,
        scores: Optional[torch.Tensor] = None,
        utt_id: Optional[List[str]] = None,
    ) -> Dict[str, Any]:
        """Compute the loss of a batch.

        Args:
            speech: (B, N) waveforms at 16 kHz.
            speech_lengths: (B,) samples.
            mos: (B, 1) labels.
            tokens: (B, T, L x C) token IDs of all layers and their codebooks, one row
                an upstream frame.
            tokens_lengths: (B,) frames.
            system: (B, 1) system numbers; read by the trainer, not here.
            corpus: (B, 1) corpus numbers; needed in training with corpus offsets.
            ratings: (B, R, 2) listener numbers and their scores; needed in training
                with listener modelling, not looked at in eval mode.
            ratings_lengths: (B,) numbers of ratings.
            scores: (B, S) labels on further scales, NaN where a clip has none; needed
                in training with further scales.
            utt_id: IDs of the clips, for errors.

        Returns:
            `loss`, `stats` and `weight` as ESPnet wants them and, in eval mode,
            `predicted` (B,) and perhaps `predicted_scores` (B, S) for the trainer's
            correlations; the stats of eval mode have
            the accuracy of each target layer, `token_acc_NN`, and with several
            codebooks that of each, `codebook_acc_N`, and where it is asked for
            `token_kept`.

        Raises:
            UserError: tokens are missing, of another number of layers or codebooks, or
                too short or too long for the batch (:mod:`~..tokens.check` looks at
                all else); corpora, ratings or labels on further scales are missing.
        """
        with_tokens = self.loss.token_weight > 0
        if with_tokens and tokens is None:
            raise UserError(
                "the token loss needs `tokens` data; give tokens.scp or set "
                "loss_conf token_weight to 0"
            )
        rated = self._ratings(ratings, ratings_lengths)
        self._require_scores(scores)
        names = utt_id or [f"clip {i}" for i in range(len(speech))]
        prediction = self.network(
            speech,
            speech_lengths,
            with_tokens,
            self._corpus(corpus),
            None if rated is None else rated.pairs,
        )
        targets = soft = None
        if tokens is not None and with_tokens:
            targets = self._targets(names, tokens, prediction)
            if self.loss.soft_tokens:
                soft = self._soft_targets(prediction)
        loss, stats = self.loss(
            prediction.mos,
            mos.flatten(),
            prediction.token_logits,
            targets,
            rated,
            prediction.listener_mos,
            prediction.scores,
            scores,
            prediction,
            self._held(prediction),
            soft,
        )
        if self.training and not torch.isfinite(loss):
            _report_loss(names, speech, stats)
        logits = prediction.token_logits
        if logits is not None and targets is not None and not self.training:
            layers = self.network.predictor.target_layers
            accuracies = token_accuracies(logits, targets)
            accuracies = accuracies.view(len(layers), -1)  # (L, C)
            for layer, accuracy in zip(layers, accuracies.mean(1)):
                stats[f"token_acc_{layer:02d}"] = accuracy
            if accuracies.size(1) > 1:
                for number, accuracy in enumerate(accuracies.mean(0), 1):
                    stats[f"codebook_acc_{number}"] = accuracy
        if self.token_kept is not None and tokens is not None and not self.training:
            stats["token_kept"] = self.token_kept.share(tokens)
        retval = dict(
            zip(
                ("loss", "stats", "weight"),
                force_gatherable((loss, stats, len(speech)), loss.device),
            )
        )
        if not self.training:
            retval["predicted"] = prediction.mos
            if prediction.scores is not None:
                retval["predicted_scores"] = prediction.scores
        return retval

    def _held(self, prediction: Prediction) -> Dict[str, torch.Tensor]:
        """Return what the loss asks of :mod:`~..model.holding`."""
        held = {}
        if self.held_layers and prediction.states is not None:
            held["state_loss"] = state_distance(prediction.states.of(self.held_layers))
        if self.start is not None:
            held["l2sp"] = self.start.distance()
        return held

    def _soft_targets(self, prediction: Prediction) -> List[torch.Tensor]:
        if self.soft_targets is None:
            raise UserError(
                "loss_conf token_targets: soft needs the centroids beside "
                "--token_provenance; give it, or train with hard targets"
            )
        return self.soft_targets.of(prediction.states)

    def _corpus(self, corpus: Optional[torch.Tensor]) -> Optional[torch.Tensor]:
        """Return (B,) numbers where there are offsets."""
        if self.network.predictor.corpus_offset is None:
            return None
        if corpus is None:
            if self.training:
                raise UserError(
                    "corpus offsets need `corpus` data; give utt2corpus or set "
                    "--corpus_offset false"
                )
            return None
        return corpus.flatten()

    def _ratings(
        self, ratings: Optional[torch.Tensor], lengths: Optional[torch.Tensor]
    ) -> Optional[Ratings]:
        """Return what is to be predicted besides the mean scores.

        Nothing in eval mode, so that validation depends on no draw of listeners.
        """
        if self.network.predictor.listeners is None or not self.training:
            return None
        if ratings is None or lengths is None:
            raise UserError(
                "listener modelling needs `ratings` data; give utt2ratings or set "
                "--listeners false"
            )
        return pick_ratings(ratings, lengths, self.loss.ratings_per_clip)

    def _require_scores(self, scores: Optional[torch.Tensor]) -> None:
        if self.training and self.network.predictor.scales and scores is None:
            raise UserError(
                "predictor_conf scales needs `scores` data; give utt2scores, or leave "
                "the scales out"
            )

    def _targets(
        self, names: Sequence[str], tokens: torch.Tensor, prediction: Prediction
    ) -> torch.Tensor:
        """Map (B, T, L x C) tokens to (B, T', M), those that the heads predict.

        Only shapes are looked at: values would have to be waited for, and stage 4 has
        looked at them.
        """
        if self.token_width not in (None, tokens.size(-1)):
            n_codebooks = self.network.predictor.n_codebooks
            raise UserError(
                f"{names[0]}: {tokens.size(-1)} tokens a frame, but "
                f"{self.token_width // n_codebooks} layers x {n_codebooks} codebooks "
                "are expected; give tokens and provenance of one folder of stage 3"
            )
        # With strides a step takes the token of its first frame.
        targets = tokens[:, :: self.network.predictor.stride, self.token_columns]
        n_steps = prediction.frame_mos.size(1)
        if targets.size(1) != n_steps:
            raise UserError(
                f"a batch with {names[0]}: {targets.size(1)} steps of tokens, but "
                f"{n_steps} of the prediction; run stages 3 and 4 again with this "
                "audio and this upstream"
            )
        return targets

    def collect_feats(self, **batch: torch.Tensor) -> Dict[str, torch.Tensor]:
        """Return nothing: the upstream takes waveforms (ESPnet's statistics stage)."""
        return {}


def _report_loss(
    names: Sequence[str], speech: torch.Tensor, stats: Dict[str, torch.Tensor]
) -> None:
    """Say whose loss is not finite: clips with such samples, or all of the batch.

    The predictions do not tell: BatchNorm carries a NaN to all of them.
    """
    finite = torch.isfinite(speech).flatten(1).all(1).tolist()
    clips = [name for name, good in zip(names, finite) if not good]
    why = "their samples are not" if clips else "one of"
    parts = [f"{name} {float(x)}" for name, x in stats.items() if x is not None]
    # An error, since only errors are logged by all processes of a training.
    logging.error(
        f"the loss is not finite ({', '.join(parts)}): {why}: "
        f"{' '.join(clips or names)}"
    )
