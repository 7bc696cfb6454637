"""The protocol: `conf/experiment.yaml`, read and checked."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Dict, List, Union

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.mapping import from_mapping

ALL = "all"
DEVELOPMENT = "development"
Size = Union[int, str]
Settings = Dict[str, Any]


@dataclass(frozen=True)
class Development:
    """What choices are made on.

    Attributes:
        families: degradations that tuning does not train on.
        speakers: likewise.
        n_valid: clips that are drawn from the prompts of the validation set.
        tune_valid: of these, in domain, for the selection of checkpoints.
    """

    families: List[str]
    speakers: List[str]
    n_valid: int
    tune_valid: int


@dataclass(frozen=True)
class Model:
    """One of the models that are compared.

    Attributes:
        kind: `network` (distilmos.sh), `universa` (ESPnet's `aqa`) or `spectral`.
        tokens: whether it needs stages 2 and 3.
        grid: dotted key -> values to try.
        config: training configuration; empty for `spectral`.
        minutes: guess of one run on one quiet core.
        about: what it is, in a few words.
    """

    kind: str
    tokens: bool
    grid: Dict[str, List[Any]]
    config: str = ""
    minutes: float = 1.0
    about: str = ""

    def variants(self) -> Dict[str, Settings]:
        """Return `g0`, `g1`... -> settings: every combination of the grid."""
        every = product(*self.grid.values())
        return {f"g{i}": dict(zip(self.grid, v)) for i, v in enumerate(every)}


@dataclass(frozen=True)
class Protocol:
    """The whole protocol; the comments of the file say what the fields mean."""

    upstream: str
    n_clusters: int
    max_frames: int
    train_set: str
    valid_set: str
    test_sets: List[str]
    development: Development
    sizes: List[Size]
    seeds: List[int]
    tuning_seeds: List[int]
    ablation_seeds: List[int]
    subset_seed: int
    budget: Settings
    steps_per_epoch: Dict[Size, int]
    small_sizes: List[str]
    models: Dict[str, Model]
    comparisons: List[List[str]]
    out_of_domain: List[str]
    ablations: Dict[str, Any]
    statistics: Dict[str, int]

    def check(self, where: str) -> None:
        """Raise UserError for what does not fit together."""

        def require(ok: bool, what: str) -> None:
            if not ok:
                raise UserError(f"{where}: {what}")

        sizes = {len(m.variants()) for m in self.models.values()}
        require(len(sizes) == 1, f"grids of one size are fair, not of {sorted(sizes)}")
        kinds = {m.kind for m in self.models.values()}
        unknown = sorted(kinds - {"network", "universa", "spectral"})
        require(not unknown, f"unknown kind {', '.join(unknown)}")
        numbers = [s for s in self.sizes if s != ALL]
        require(
            all(type(s) is int and s > 0 for s in numbers)
            and numbers == sorted(set(numbers))
            and self.sizes == [*numbers, ALL],
            f"sizes must rise and end with {ALL}, not {self.sizes}",
        )
        require(
            set(self.steps_per_epoch) == {*self.sizes, DEVELOPMENT},
            f"steps_per_epoch: {', '.join(map(str, self.sizes))} and {DEVELOPMENT}",
        )
        named = [m for pair in self.comparisons for m in pair]
        named += [self.ablations["model"], *self.small_sizes]
        absent = sorted(set(named) - set(self.models))
        require(not absent, f"no model is called {', '.join(absent)}")
        require(
            all(len(set(pair)) == 2 for pair in self.comparisons),
            "comparisons are of two models",
        )
        require(
            set(self.out_of_domain) <= set(self.test_sets),
            "out_of_domain: these must be test sets",
        )
        all_seeds = [self.seeds, self.tuning_seeds, self.ablation_seeds]
        require(
            all(s and len(set(s)) == len(s) for s in all_seeds),
            "seeds: at least one each, none twice",
        )
        require(
            not set(self.seeds) & {*self.tuning_seeds, *self.ablation_seeds},
            "the final seeds must not be those of tuning or of ablations",
        )


def read_protocol(path: PathLike) -> Protocol:
    """Read and check the protocol.

    Raises:
        UserError: unknown or missing keys, or a plan that is not fair.
    """
    data = read_yaml(path)
    models = data.get("models")
    if not isinstance(models, dict) or not models:
        raise UserError(f"{path}: models: a mapping of models was expected")
    data["models"] = {
        name: from_mapping(Model, conf, f"{path}: models: {name}")
        for name, conf in models.items()
    }
    data["development"] = from_mapping(
        Development, data.get("development"), f"{path}: development"
    )
    protocol = from_mapping(Protocol, data, str(path))
    protocol.check(str(path))
    return protocol
