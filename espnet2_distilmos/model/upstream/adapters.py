"""Upstream adapters: waveforms in, raw block outputs and true frame counts out."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.audio import SAMPLE_RATE
from espnet2_distilmos.utils.errors import UserError


class UpstreamAdapter(torch.nn.Module):
    """Base class: an upstream whose output for a clip does not depend on its batch.

    A subclass sets what is below in `__init__`, then calls :meth:`_select_layers`.

    Attributes:
        layers: numbers of the layers that were chosen, counted from 1; 0 is the input
            of block 1.
        has_input_state: whether there is a layer 0.
        n_blocks: number of layers that the model has.
        hidden_size: channels of a hidden state (D).
        downsample: samples a frame (320 at 16 kHz: 20 ms).
        skips_blocks: whether a training step can leave out what is trained.
        fingerprint: identity of the pretrained weights, set by the loader.
    """

    layers: Tuple[int, ...]
    has_input_state: bool = False
    skips_blocks: bool = False
    n_blocks: int
    hidden_size: int
    downsample: int
    fingerprint: Dict[str, Any]

    def __init__(self, conf: UpstreamConfig):
        super().__init__()
        self.conf = conf
        self._last_layer: Optional[int] = None
        self.pretrained_layers: Tuple[int, ...] = ()
        self.compared_layers: Tuple[int, ...] = ()

    def _select_layers(self) -> None:
        self.layers = tuple(self.conf.layers or range(1, self.n_blocks + 1))
        if self.layers[-1] > self.n_blocks:
            raise UserError(
                f"layer {self.layers[-1]} was asked of {self.conf.upstream}, which has "
                f"{self.n_blocks} layers"
            )
        if self.layers[0] == 0 and not self.has_input_state:
            raise UserError(
                f"layer 0, the input of block 1, was asked of {self.conf.upstream}, "
                "which does not give it"
            )
        if self.conf.freeze:
            self.requires_grad_(False)

    def limit_layers(self, last: Optional[int]) -> None:
        """Compute nothing above layer `last`; None lifts the limit.

        :meth:`forward` then returns the chosen layers up to `last` only, which is all
        that inference needs where the layers above have weight zero.

        Raises:
            ValueError: no chosen layer is left.
        """
        if last is not None and last < self.layers[0]:
            raise ValueError(f"no layer of {self.layers} is left up to layer {last}")
        self._last_layer = last

    @property
    def active_layers(self) -> Tuple[int, ...]:
        """Numbers of the layers that :meth:`forward` returns."""
        last = self._last_layer
        return tuple(i for i in self.layers if last is None or i <= last)

    @property
    def frame_shift(self) -> float:
        """Seconds between two frames."""
        return self.downsample / SAMPLE_RATE

    def depths(self) -> Dict[int, int]:
        """Return `id` of a trained parameter -> parts above it that are trained, too.

        The top block of the chosen layers has 0, block 1 as many as there are blocks
        above it, what lies between CNN and block 1 one more, and the CNN the most.

        Raises:
            UserError: a model whose blocks are not known.
        """
        raise UserError(
            f"{self.conf.upstream}: --upstream_layer_decay is for models that have an "
            "adapter of their own (doc/upstreams.md); leave it out"
        )

    def keep_pretrained(self, layers: Sequence[int], compared: bool = False) -> None:
        """Return from now on, in eval mode, states that the training does not change.

        :meth:`forward` puts those of these layers behind the others.

        Args:
            layers: their numbers.
            compared: in training, too, and last of all. What is kept for it is no part
                of a checkpoint, and is taken from the weights as they are now.

        Raises:
            UserError: layers that there are not, or whose input is trained.
        """
        known = range(not self.has_input_state, self.n_blocks + 1)
        missing = sorted(set(layers) - set(known))
        if missing:
            raise UserError(
                f"pretrained states of layers {missing} were asked of "
                f"{self.conf.upstream}, which has {known[0]} to {known[-1]}"
            )
        if not (self.conf.freeze or self.conf.frozen_layers):
            raise UserError(
                "pretrained states beside trained ones need frozen_layers of 1 or more "
                "(or freeze: true) in the upstream's YAML or in upstream_conf"
            )
        if compared:
            self.compared_layers = tuple(layers)
        else:
            self.pretrained_layers = tuple(layers)

    def train(self, mode: bool = True) -> "UpstreamAdapter":
        """Set the mode; a frozen upstream stays in eval mode, without dropout."""
        return super().train(mode and not self.conf.freeze)

    def forward(
        self, speech: torch.Tensor, lengths: torch.Tensor
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        """Compute the hidden states of the chosen layers.

        Args:
            speech: (B, N) waveforms at 16 kHz, padded with anything.
            lengths: (B,) true numbers of samples.

        Returns:
            One (B, T, D) tensor an active layer and one of each that was asked of
            :meth:`keep_pretrained`, in training only of those that are compared, zero
            in padded frames; and (B,) true numbers of frames.
        """
        clips = [clip[:n] for clip, n in zip(speech, lengths.tolist())]
        pretrained = () if self.training else self.pretrained_layers
        pretrained += self.compared_layers
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.conf.freeze):
            states, frame_lengths = self._forward_clips(clips, pretrained)
        states = self._normalise(states)
        mask = frame_mask(frame_lengths, states[0].size(1))
        return [s * mask.unsqueeze(-1) for s in states], frame_lengths

    def _normalise(self, states: List[torch.Tensor]) -> List[torch.Tensor]:
        """Normalise every frame of (B, T, D) tensors, if the configuration says so."""
        if not self.conf.normalize:
            return states
        return [F.layer_norm(s, s.shape[-1:]) for s in states]

    def _forward_clips(
        self, clips: List[torch.Tensor], pretrained: Sequence[int]
    ) -> Tuple[List[torch.Tensor], torch.Tensor]:
        """Map (N_b,) waveforms -> a (B, T, D) a layer, (B,) frame counts.

        The layers are the active ones, then, as pretrained, those of `pretrained`.
        """
        raise NotImplementedError


def frame_mask(lengths: torch.Tensor, size: Optional[int] = None) -> torch.Tensor:
    """Map (B,) lengths -> (B, size) bool, True where a frame is real."""
    size = int(lengths.max()) if size is None else size
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


class ClipwiseAdapter(UpstreamAdapter):
    """Any S3PRL upstream, one clip at a time: slow, but exact for every model.

    In a transformer encoder layer i is the raw output of block i, and layer 0 the input
    of block 1. Else layer i is the i-th of S3PRL's hidden states, as many as S3PRL
    gives.

    What trains is found by a trial: parameters that get no gradient are marked so.
    """

    # S3PRL's module: what it has besides a Module's methods, no type tells.
    expert: Any

    def __init__(self, expert: Any, conf: UpstreamConfig):
        super().__init__(conf)
        for name in ("feature_grad_mult", "layerdrop"):
            if getattr(conf, name) is not None:
                self._refuse(name)
        if conf.frozen_layers:
            self._refuse("frozen_layers")
        if conf.gradient_checkpointing:
            self._refuse("gradient_checkpointing")
        if conf.normalize_waveform != "checkpoint":
            self._refuse("normalize_waveform")
        self.expert = expert
        # Models of transformers mask frames and skip blocks unless told not to.
        model_config: Any = getattr(getattr(expert, "model", None), "config", None)
        if hasattr(model_config, "apply_spec_augment"):
            model_config.apply_spec_augment = False
            model_config.layerdrop = 0.0
        self._outputs: Optional[List[torch.Tensor]] = None
        self.downsample = int(expert.get_downsample_rates("hidden_states"))
        was_training = expert.training
        expert.eval()
        with torch.enable_grad():
            clip = _trial_clip(expert)
            self._watch_blocks(len(self._run(clip)))
            states = self._run(clip)
        expert.train(was_training)
        # What S3PRL gives from layer 0 on, or from layer 1.
        self.n_blocks = len(states) - self.has_input_state
        self.hidden_size = states[0].size(-1)
        if any(s.shape != states[0].shape for s in states):
            raise UserError(
                f"{conf.upstream}: layers of different sizes are not supported"
            )
        self._select_layers()
        self._mark_untrained(states)

    def _refuse(self, name: str) -> None:
        raise UserError(
            f"{self.conf.upstream}: {name} is for models that have an adapter of their "
            "own (doc/upstreams.md); this one runs clip by clip as S3PRL has it"
        )

    def _mark_untrained(self, states: List[torch.Tensor]) -> None:
        """Mark parameters that get no gradient: they would stop DDP."""
        parameters = [p for p in self.expert.parameters() if p.requires_grad]
        total = torch.stack(
            [
                states[i - (not self.has_input_state)].float().square().sum()
                for i in self.layers
            ]
        ).sum()
        gradients: Tuple = (None,) * len(parameters)
        if parameters and total.requires_grad:
            gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients):
            parameter.requires_grad_(gradient is not None)

    def _run(self, clip: torch.Tensor) -> List[torch.Tensor]:
        """Map (N,) -> one (T, D) a layer, layer 0 first if there is one."""
        if self._outputs is not None:
            self._outputs.clear()
        states = [s[0] for s in self.expert([clip])["hidden_states"]]
        if self._outputs:
            # Some of S3PRL's encoders pad by a frame inside.
            outputs = [out[: len(states[0])] for out in self._outputs]
            states = states[:1] + outputs
            self._outputs.clear()
        return states

    def _watch_blocks(self, n_states: int) -> None:
        """Note what the blocks put out, if the model is a transformer as usual.

        That is, if its hidden states are one more than its blocks: S3PRL's first is
        what block 1 gets, and its last may come after a norm that follows the blocks.
        """
        model = getattr(self.expert, "model", None)
        encoder = getattr(model, "encoder", model)
        blocks = getattr(encoder, "layers", None)
        if not isinstance(blocks, torch.nn.ModuleList) or n_states != len(blocks) + 1:
            return
        self.has_input_state = True
        self._outputs = noted = []

        def note(_: torch.nn.Module, __: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            # (1, T, D) or (T, 1, D): there is one clip.
            noted.append(output[0] if output.size(0) == 1 else output[:, 0])

        for block in blocks:
            block.register_forward_hook(note)

    def _forward_clips(self, clips, pretrained):
        # All layers are, if any: there is no frozen part of this model.
        wanted = (*self.active_layers, *pretrained)
        all_states = [self._run(clip) for clip in clips]
        frame_lengths = torch.tensor(
            [states[0].size(0) for states in all_states], device=clips[0].device
        )
        return [
            pad_sequence([states[i] for states in all_states], batch_first=True)
            for i in (n - (not self.has_input_state) for n in wanted)
        ], frame_lengths


def _trial_clip(expert: torch.nn.Module) -> torch.Tensor:
    """Return a second of noise on the expert's device; no generator is changed."""
    device = next((p.device for p in expert.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SAMPLE_RATE, generator=generator).to(device)
