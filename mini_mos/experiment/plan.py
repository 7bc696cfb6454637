"""Every run of the experiment, as a list that is known before the first of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from mini_mos.experiment.protocol import ALL, Protocol, Settings, Size
from mini_mos.experiment.settings import flatten
from mini_mos.tsv import write_tsv

TUNE, MAIN, ABLATE = "tune", "main", "ablate"
TUNED = "tuned"  # variant: the best point of the grid, nothing changed
PHASES = (TUNE, MAIN, ABLATE)
# Sets that `experiment/sets.py` makes.
TUNE_TRAIN, TUNE_VALID = "tune_train", "tune_valid"
DEV_SETS = ("dev_speaker", "dev_system")
_RECIPE = "recipe."  # of an ablation: options of distilmos.sh, not of training


@dataclass(frozen=True)
class Run:
    """One training, and what it is judged on.

    Attributes:
        phase: `tune`, `main` or `ablate`.
        model: a name of the protocol.
        variant: point of the grid, ablation, or `tuned`.
        size: training clips.
        seed: of the training.
        train_set, valid_set, sets: data; predictions of `sets` are kept.
        recipe: options of distilmos.sh that make its tokens; None without any.
        settings: dotted keys that change the model's configuration; None where
            tuning decides and has not ended.
    """

    phase: str
    model: str
    variant: str
    size: Size
    seed: int
    train_set: str
    valid_set: str
    sets: Sequence[str]
    recipe: Optional[Settings]
    settings: Optional[Settings]

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.phase}-{self.model}-{self.variant}-{self.size}-s{self.seed}"

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types."""
        return {**asdict(self), "sets": list(self.sets)}


def train_set_of(protocol: Protocol, size: Size) -> str:
    """Return the name of the training set of `size` clips."""
    return protocol.train_set if size == ALL else f"{protocol.train_set}_{size}"


def read_ablations(protocol: Protocol) -> Dict[str, Settings]:
    """Return name -> settings (dotted) of each `*.yaml` of changes.

    Raises:
        UserError: no such files, an empty one, or a comparison with none of them.
    """
    folder = protocol.ablations["folder"]
    found = {p.stem: flatten(read_yaml(p)) for p in sorted(Path(folder).glob("*.yaml"))}
    if not found:
        raise UserError(f"{folder}: no *.yaml there")
    empty = [name for name, settings in found.items() if not settings]
    if empty:
        raise UserError(f"{folder}/{empty[0]}.yaml: changes nothing")
    against = protocol.ablations.get("against", {})
    if unknown := sorted({*against, *against.values()} - {*found, TUNED}):
        raise UserError(f"ablations: against: no {folder}/{unknown[0]}.yaml")
    return found


def _recipe(p: Protocol) -> Settings:
    return {"n_clusters": p.n_clusters}


def _tuning(p: Protocol) -> List[Run]:
    sets = (TUNE_VALID, *DEV_SETS)
    return [
        Run(
            TUNE,
            name,
            variant,
            ALL,
            seed,
            TUNE_TRAIN,
            TUNE_VALID,
            sets,
            _recipe(p) if model.tokens else None,
            settings,
        )
        for name, model in p.models.items()
        for variant, settings in model.variants().items()
        for seed in p.tuning_seeds
    ]


def _main(p: Protocol, chosen: Mapping[str, Settings]) -> List[Run]:
    return [
        Run(
            MAIN,
            name,
            TUNED,
            size,
            seed,
            train_set_of(p, size),
            p.valid_set,
            (p.valid_set, *p.test_sets),
            _recipe(p) if model.tokens else None,
            chosen.get(name),
        )
        # All models at one size, then the next: what is compared is done together.
        for size in reversed(p.sizes)
        for seed in p.seeds
        for name, model in p.models.items()
        if size == ALL or name in p.small_sizes
    ]


def _ablations(
    p: Protocol, chosen: Mapping[str, Settings], changes: Mapping[str, Settings]
) -> List[Run]:
    name = p.ablations["model"]
    base = Run(
        ABLATE,
        name,
        TUNED,
        ALL,
        0,
        TUNE_TRAIN,
        TUNE_VALID,
        (TUNE_VALID, *DEV_SETS),
        _recipe(p),
        chosen.get(name),
    )
    runs = []
    for variant, change in {TUNED: {}, **changes}.items():
        options = {
            k.removeprefix(_RECIPE): v
            for k, v in change.items()
            if k.startswith(_RECIPE)
        }
        own = {k: v for k, v in change.items() if not k.startswith(_RECIPE)}
        recipe: Optional[Settings] = {**_recipe(p), **options}
        if own.get("loss_conf.token_weight") == 0:
            recipe = None
        settings = None if base.settings is None else {**base.settings, **own}
        runs += [
            replace(base, variant=variant, seed=s, recipe=recipe, settings=settings)
            for s in p.ablation_seeds
        ]
    # All changes with one seed, then with the next: a part of them can be compared.
    return sorted(runs, key=lambda run: p.ablation_seeds.index(run.seed))


def make_plan(
    protocol: Protocol,
    ablations: Mapping[str, Settings],
    chosen: Optional[Mapping[str, Settings]] = None,
) -> List[Run]:
    """Return all runs, in the order in which they are done.

    Args:
        protocol: what is asked for.
        ablations: of :func:`read_ablations`.
        chosen: model -> settings that tuning has chosen; None before it has ended.
    """
    chosen = chosen or {}
    return [
        *_tuning(protocol),
        *_main(protocol, chosen),
        *_ablations(protocol, chosen, ablations),
    ]


def write_plan(path: PathLike, runs: Sequence[Run]) -> None:
    """Write the plan as a table (TSV)."""
    rows = []
    for run in runs:
        plain = run.to_dict()
        plain["sets"] = " ".join(plain["sets"])
        for key in ("recipe", "settings"):
            plain[key] = json.dumps(plain[key])
        rows.append([run.name, *plain.values()])
    write_tsv(path, ["run", *runs[0].to_dict()], rows)
