"""The hyperparameters of a pretraining, one YAML file."""

from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.mapping import from_mapping


@dataclass(frozen=True)
class CorpusConfig:
    """What the model hears.

    Attributes:
        valid_share: of the prompt names, held out for the validation curves.
        degraded: share of the clips that go through a chain of degradations.
        repeats: how often each recording is used, by kind of source.
    """

    valid_share: float = 0.08
    degraded: float = 0.7
    repeats: Dict[str, int] = field(default_factory=lambda: {"mini_mos": 2, "more": 1})


@dataclass(frozen=True)
class TargetConfig:
    """What is predicted of each frame.

    Attributes:
        bands: log-mel bands, each with its own clusters.
        band_clusters: clusters a band.
        layers: layers of the last iteration's model that give targets too
            (iteration 2 on).
        layer_clusters: clusters a layer.
        layer_weight: of the loss of all layers together; the bands have the rest.
        clips: clips from which the clusters are learned.
        max_frames: and frames of these at most.
    """

    bands: int = 5
    band_clusters: int = 64
    layers: List[int] = field(default_factory=lambda: [3, 5])
    layer_clusters: int = 128
    layer_weight: float = 0.5
    clips: int = 600
    max_frames: int = 100_000


@dataclass(frozen=True)
class TrainConfig:
    """How one iteration is trained.

    Attributes:
        steps: number of updates.
        lr: highest learning rate, after `warmup` steps; then a half cosine down to
            `final_lr` times that.
        batch: crops a step.
        crop: seconds a crop.
        mask_start: probability that a masked span starts at a frame.
        mask_length: frames a span.
        unmasked_weight: of the loss on frames that are not masked.
        beta2, weight_decay: of AdamW.
        clip: gradient norm at most.
        save_steps: steps between checkpoints, each with a validation.
        valid_batches: batches a validation.
    """

    steps: int = 5000
    lr: float = 2.0e-3
    warmup: int = 100
    final_lr: float = 0.05
    batch: int = 8
    crop: float = 2.5
    mask_start: float = 0.06
    mask_length: int = 10
    unmasked_weight: float = 1.0
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip: float = 5.0
    save_steps: int = 250
    valid_batches: int = 12


@dataclass(frozen=True)
class SSLConfig:
    """All of it.

    Attributes:
        seed: of everything that is drawn.
        model: keys of S3PRL's `WavLMConfig` while pretraining.
        finetune: the same keys as the exported model has them (dropout...).
        iterations: one :class:`TrainConfig` each.
    """

    seed: int
    corpus: CorpusConfig
    model: Dict[str, Any]
    finetune: Dict[str, Any]
    targets: TargetConfig
    iterations: List[TrainConfig]

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types."""
        return asdict(self)


def read_config(path: PathLike) -> SSLConfig:
    """Read and check a configuration.

    `train` holds what the iterations share, `iterations` a list of what each has
    otherwise.

    Raises:
        UserError: unknown or missing key, or a value of the wrong type.
    """
    data = read_yaml(path)
    known = {"seed", "corpus", "model", "finetune", "targets", "train", "iterations"}
    if set(data) != known:
        raise UserError(
            f"{path}: the keys must be {', '.join(sorted(known))}; wrong or missing: "
            f"{', '.join(sorted(known.symmetric_difference(data)))}"
        )
    for name in ("model", "finetune"):
        if not isinstance(data[name], dict):
            raise UserError(f"{path}: {name} must be a mapping")
    if not isinstance(data["iterations"], list) or not data["iterations"]:
        raise UserError(f"{path}: iterations must be a list")
    iterations = []
    for i, own in enumerate(data["iterations"], 1):
        where = f"{path}: iteration {i}"
        made = from_mapping(
            TrainConfig, {**(data["train"] or {}), **(own or {})}, where
        )
        if min(made.steps, made.batch, made.save_steps, made.mask_length) < 1:
            raise UserError(f"{where}: steps, batch, save_steps, mask_length: >= 1")
        iterations.append(made)
    return SSLConfig(
        seed=int(data["seed"]),
        corpus=from_mapping(CorpusConfig, data["corpus"], f"{path}: corpus"),
        model=data["model"],
        finetune=data["finetune"],
        targets=from_mapping(TargetConfig, data["targets"], f"{path}: targets"),
        iterations=iterations,
    )
