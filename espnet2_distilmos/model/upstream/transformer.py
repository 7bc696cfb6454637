"""What the wav2vec 2.0 family has in common: CNN, positional convolution, blocks."""

import copy
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter, frame_mask
from espnet2_distilmos.model.upstream.cnn import (
    convolutions_of,
    mask_group_norm,
    output_length,
)
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.family import TransformerFamily
from espnet2_distilmos.utils.errors import UserError

# The eps of torch's layer_norm, with which S3PRL normalises waveforms.
WAVEFORM_EPS = 1e-5


class TransformerAdapter(TransformerFamily, UpstreamAdapter):
    """CNN, then a transformer with a convolution for positions, exact in batches.

    The CNN runs clip by clip or, on a GPU and where it is trained, on the batch with a
    masked GroupNorm; the transformer runs on the padded batch with the true mask. Layer
    i is the raw output of block i, also in pre-norm models, whose final LayerNorm is
    not applied; layer 0 is the input of block 1. Nothing is masked as in SpecAugment,
    whatever the checkpoint says.

    A family says in a subclass how its modules are called
    (:class:`.family.TransformerFamily`).

    Args:
        expert: S3PRL's module, with the pretrained model as `model`.
        conf: configuration of the upstream.
        pretraining_cfg: model configuration in the checkpoint, where S3PRL drops it.

    Attributes:
        cnn_on_batch: whether the CNN takes the padded batch; None = on a GPU, and on a
            CPU where it is trained.
    """

    has_input_state = True
    cnn_on_batch: Optional[bool] = None
    _compared_blocks: Tuple[torch.nn.Module, ...] = ()

    def __init__(
        self,
        expert: Any,
        conf: UpstreamConfig,
        pretraining_cfg: Optional[Mapping[str, Any]] = None,
    ):
        super().__init__(conf)
        if hasattr(expert, "remove_all_hooks"):
            # S3PRL's hooks would keep a second reference to every hidden state.
            expert.remove_all_hooks()
        self.model = expert.model
        known = self.pretraining(expert, pretraining_cfg or {})
        self.waveform_eps = known.waveform_eps
        if conf.normalize_waveform is False:
            self.waveform_eps = None
        elif conf.normalize_waveform is True and self.waveform_eps is None:
            self.waveform_eps = WAVEFORM_EPS
        self.feature_grad_mult = _choose(
            conf.feature_grad_mult, known.feature_grad_mult
        )
        self.layerdrop = _choose(conf.layerdrop, known.layerdrop)
        self.n_blocks = len(self.encoder.layers)
        self.hidden_size = self.encoder.layer_norm.normalized_shape[0]
        self.convolutions = convolutions_of(self.cnn)
        self.downsample = 1
        for _, stride in self.convolutions:
            self.downsample *= stride
        norms = mask_group_norm(self.cnn)
        if norms is None:
            self.cnn_on_batch = False
        self._masked_norms = tuple(norms or ())  # no list: they are the CNN's children
        self._select_layers()
        if conf.frozen_layers > self.n_blocks:
            raise UserError(
                f"frozen_layers {conf.frozen_layers} was asked of {conf.upstream}, "
                f"which has {self.n_blocks} layers"
            )
        # Frozen blocks are never skipped.
        self.skips_blocks = self.layerdrop > 0 and self._n_frozen < self.layers[-1]
        self._mark_untrained()

    def _mark_untrained(self) -> None:
        """Mark parameters that can get no gradient: they would stop DDP."""
        first = self.conf.frozen_layers
        trained = list(self.encoder.layers[first : self.layers[-1]])
        if not first:
            trained += self._input_modules()
            if self.feature_grad_mult > 0:
                trained.append(self.cnn)
        kept = {id(p) for module in trained for p in module.parameters()}
        for parameter in self.model.parameters():
            if id(parameter) not in kept:
                parameter.requires_grad_(False)

    def depths(self) -> Dict[int, int]:
        """See :class:`UpstreamAdapter`."""
        top = self.layers[-1]
        blocks = enumerate(self.encoder.layers[:top], 1)
        parts = [(top - number, block) for number, block in blocks]
        parts += [(top, module) for module in self._input_modules()]
        parts.append((top + 1, self.cnn))
        return {
            id(parameter): depth
            for depth, module in parts
            for parameter in module.parameters()
            if parameter.requires_grad
        }

    def keep_pretrained(self, layers: Sequence[int], compared: bool = False) -> None:
        """See :class:`UpstreamAdapter`; blocks that are trained are kept twice."""
        super().keep_pretrained(layers, compared)
        # Those of a readout are not kept a third time.
        kept = tuple(getattr(self, "pretrained_blocks", ())) if compared else ()
        blocks = self.encoder.layers[self._n_frozen + len(kept) : max(layers)]
        blocks = copy.deepcopy(blocks).requires_grad_(False).eval()
        if compared:  # a tuple is no part of a checkpoint
            self._compared_blocks = (*kept, *blocks)
        else:
            self.pretrained_blocks = blocks

    @property
    def _n_frozen(self) -> int:
        """Number of blocks that stay as pretrained, with all below them."""
        return self.n_blocks if self.conf.freeze else self.conf.frozen_layers

    def train(self, mode: bool = True) -> "TransformerAdapter":
        """Set the mode; frozen parts stay in eval mode, without dropout."""
        super().train(mode)
        if self.conf.frozen_layers:
            self.model.eval()
            for block in self.encoder.layers[self.conf.frozen_layers :]:
                block.train(self.training)
        for block in self._compared_blocks:
            block.eval()
        return self

    def frame_count(self, n_samples: int) -> int:
        """Return frames that the CNN makes of a clip: 16000 samples give 49."""
        return output_length(n_samples, self.convolutions)

    @property
    def _checkpointing(self) -> bool:
        training = self.training and torch.is_grad_enabled()
        return self.conf.gradient_checkpointing and training

    def _keep_or_repeat(self, function: Callable, *args: Any) -> Any:
        """Call, keeping what the backward pass needs or only what goes in."""
        # A frozen CNN has no backward pass, and just runs.
        if self._checkpointing:
            return checkpoint(function, *args, use_reentrant=False)
        return function(*args)

    def _run_cnn(
        self, speech: torch.Tensor, lengths: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """Map (B, N) and (B,) true frames of the first convolution -> (B, T, C)."""

        # Lengths are set inside, for the second run that checkpointing makes.
        def run(speech: torch.Tensor) -> torch.Tensor:
            for norm in self._masked_norms:
                norm.lengths = lengths
            return self._convolve(speech)

        return self._keep_or_repeat(run, speech)

    def _extract(self, clips: List[torch.Tensor], counts: List[int]) -> torch.Tensor:
        """Map (N_b,) waveforms -> (B, T, C) CNN features."""
        if self.waveform_eps is not None:
            clips = [F.layer_norm(c, c.shape, eps=self.waveform_eps) for c in clips]
        trained = torch.is_grad_enabled() and self.feature_grad_mult > 0
        with torch.set_grad_enabled(trained):
            features = self._features(clips, counts, trained)
        if features.requires_grad and self.feature_grad_mult != 1:
            features.register_hook(lambda grad: grad * self.feature_grad_mult)
        return features

    def _features(
        self, clips: List[torch.Tensor], counts: List[int], trained: bool
    ) -> torch.Tensor:
        """(N_b,) waveforms -> (B, T, C), anything behind the end of a clip."""
        on_batch = self.cnn_on_batch
        if on_batch is None:
            # oneDNN compiles kernels for every length that it has not seen, which costs
            # more than padding where there is a backward pass, too: 1.4 times the step
            # of mini, 1.2 of a base model.
            on_batch = clips[0].is_cuda or trained
        if on_batch and len(set(counts)) > 1:
            first = [output_length(len(c), self.convolutions[:1]) for c in clips]
            return self._run_cnn(
                pad_sequence(clips, batch_first=True),
                torch.tensor(first, device=clips[0].device),
            )
        return pad_sequence(
            [self._run_cnn(clip.unsqueeze(0))[0] for clip in clips],
            batch_first=True,
        )

    def _require_lengths(self, clips: List[torch.Tensor], counts: List[int]) -> None:
        """Refuse clips that the model cannot take; `counts` are their frames."""
        if min(counts) < 1:
            raise UserError(
                f"a clip of {len(clips[counts.index(min(counts))])} samples is too "
                "short for the upstream's CNN (less than one frame)"
            )

    def _forward_clips(
        self, clips: List[torch.Tensor], pretrained: Sequence[int]
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        counts = [self.frame_count(len(clip)) for clip in clips]
        self._require_lengths(clips, counts)
        lengths = torch.tensor(counts, device=clips[0].device)
        mask = frame_mask(lengths, max(counts))
        trained = torch.is_grad_enabled() and not self._n_frozen
        with torch.set_grad_enabled(trained):
            x = self._project(self._extract(clips, counts))
            # Past its end a clip must look to the positional convolution as if alone.
            x = x * mask.unsqueeze(-1)
            padding = self._padding(x, mask) if min(counts) < max(counts) else None
            x = self._enter(x, mask)
        return self._run_blocks(x, padding, pretrained), lengths

    def _run_blocks(
        self, x: torch.Tensor, padding: Any, pretrained: Sequence[int]
    ) -> List[torch.Tensor]:
        """Map the input of block 1, (B, T, D), -> a (B, T, D) a layer.

        The layers: see :meth:`_forward_clips`.
        """
        graded, frozen = torch.is_grad_enabled(), self._n_frozen
        states, shared = {0: x}, None
        wanted, last = self.active_layers, min(max(pretrained, default=0), frozen)
        last = max(last, wanted[-1])
        branch = x, shared  # where what is kept as pretrained leaves what is trained
        for number, block in enumerate(self.encoder.layers[:last], 1):
            trained = number > frozen
            skipped = self.training and trained and self._layer_is_dropped()
            if not skipped or (number == 1 and self.first_block_runs):
                with torch.set_grad_enabled(graded and trained):
                    x, shared = self._keep_or_repeat(
                        self._block, block, x, padding, shared
                    )
            states[number] = x
            if number == frozen:
                branch = x, shared
        found = [states[i] for i in wanted]
        if pretrained:
            x, shared = branch
            kept = getattr(self, "pretrained_blocks", ())
            blocks = self._compared_blocks or kept
            for number, block in zip(range(frozen + 1, max(pretrained) + 1), blocks):
                x, shared = self._block(block.to(x.device), x, padding, shared)
                states[number] = x
        return found + [states[i] for i in pretrained]

    def _layer_is_dropped(self) -> bool:
        return torch.rand(()).item() < self.layerdrop

    def one_clip(self, clip: torch.Tensor) -> List[torch.Tensor]:
        """Compute the states of one clip, as :meth:`forward` in eval mode, for a trace.

        No length becomes a number of Python's on the way: a trace that is made of a
        clip holds for clips of other lengths.

        Args:
            clip: (N,) samples at 16 kHz, enough for a frame.

        Returns:
            One (1, T, D) tensor an active layer, then one of each that was asked of
            :meth:`keep_pretrained`.
        """
        if self.waveform_eps is not None:
            centred = clip - clip.mean()
            clip = centred * torch.rsqrt(centred.square().mean() + self.waveform_eps)
        x = self._project(self._features_of_one(clip))
        mask = torch.ones_like(x[..., 0], dtype=torch.bool)
        x = self._enter(x, mask)
        return self._normalise(self._run_blocks(x, None, self.pretrained_layers))

    def _features_of_one(self, clip: torch.Tensor) -> torch.Tensor:
        """Map (N,) -> (1, T, C), for :meth:`one_clip`."""
        return self._convolve(clip.unsqueeze(0))


def _choose(value: Optional[float], default: float) -> float:
    return float(default if value is None else value)
