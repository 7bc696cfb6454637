"""What each family of the wav2vec 2.0 kind says of its models: names and modules."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

import torch


@dataclass
class Pretraining:
    """What a checkpoint says of its pretraining.

    Attributes:
        waveform_eps: the waveform is brought to mean 0 and variance 1, with this added
            to the variance; None = it is taken as it is.
        feature_grad_mult: factor on the gradient that reaches the CNN.
        layerdrop: probability of skipping a block.
    """

    waveform_eps: Optional[float]
    feature_grad_mult: float
    layerdrop: float


class TransformerFamily(ABC):
    """What a subclass of :class:`.transformer.TransformerAdapter` has to say.

    Attributes:
        models: full names of the model classes that make up the family.
        first_block_runs: layerdrop never skips block 1.
    """

    # S3PRL's model: its parts differ from family to family, and no type tells them.
    model: Any
    models: Tuple[str, ...] = ()
    first_block_runs: bool = False

    @classmethod
    def fits(cls, expert: Any) -> bool:
        """Tell whether S3PRL's module holds a model of this family."""
        model = type(getattr(expert, "model", None))
        name = f"{model.__module__}.{model.__qualname__}"
        return name in cls.models and cls.supports(expert.model)

    @classmethod
    def supports(cls, model: torch.nn.Module) -> bool:
        """Tell whether the model is built as usual; else it runs clip by clip."""
        return True

    @abstractmethod
    def pretraining(self, expert: torch.nn.Module, cfg: Mapping) -> Pretraining:
        """Return what the checkpoint says."""

    @property
    @abstractmethod
    def cnn(self) -> torch.nn.Module:
        """The CNN."""

    @property
    @abstractmethod
    def encoder(self) -> Any:
        """The module with the blocks (`layers`) and a LayerNorm (`layer_norm`)."""

    def _convolve(self, speech: torch.Tensor) -> torch.Tensor:
        """Map (B, N) waveforms -> (B, T, C), for a CNN that takes the waveform."""
        raise NotImplementedError

    @abstractmethod
    def _input_modules(self) -> List[torch.nn.Module]:
        """Return the modules between CNN and block 1 that take part."""

    @abstractmethod
    def _project(self, features: torch.Tensor) -> torch.Tensor:
        """Map (B, T, C) -> (B, T, D)."""

    @abstractmethod
    def _enter(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T, D) with zeros in padded frames -> input of block 1, (B, T, D)."""

    @abstractmethod
    def _block(
        self, block: torch.nn.Module, x: torch.Tensor, padding: Any, shared: Any
    ) -> Tuple[torch.Tensor, Any]:
        """Map (B, T, D) -> (B, T, D), and what the next block is to get as `shared`."""

    def _padding(self, x: torch.Tensor, mask: torch.Tensor) -> Any:
        """Return how blocks want the mask (B, T) of a padded batch.

        As floats to add, since torch wants one type for all that is added to scores.
        """
        return torch.zeros_like(x[..., 0]).masked_fill(~mask, -torch.inf)
