"""The protocol: `conf/experiment.yaml`, read and checked."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Set

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.mapping import from_mapping
from mini_mos.experiment.planning import Plan, Planned

DEVELOPMENT, FINAL = "development", "final"
PILOTS = ("dev_speaker", "dev_system")  # what development is judged on


@dataclass(frozen=True)
class Development:
    """What choices are made on.

    Attributes:
        families: degradations that development does not train on.
        speakers: likewise.
        tune_valid: clips in domain that choose the checkpoints of development.
        final_valid: clips of all kinds that choose those of the final runs.
    """

    families: List[str]
    speakers: List[str]
    tune_valid: int
    final_valid: int


@dataclass(frozen=True)
class Arm:
    """One of the trainings that are compared.

    Attributes:
        about: what it is, in a few words.
        tokens: whether the training has the token loss.
        args: options of training that make it, `--train_args` of distilmos.sh.
        recipe: options of distilmos.sh for stages 2 to 5.
        config: training configuration; empty = the protocol's.
    """

    about: str
    tokens: bool = False
    args: str = ""
    recipe: str = ""
    config: str = ""


@dataclass(frozen=True)
class Phase:
    """A part of the work, all on the same sets.

    Attributes:
        arms: of the protocol's arms or choices.
        seeds: of the trainings.
    """

    arms: List[str]
    seeds: List[int]


@dataclass(frozen=True)
class Protocol:
    """The whole protocol; the comments of the file say what the fields mean."""

    upstream: str
    train_config: str
    n_clusters: int
    max_frames: int
    corpus: Dict[str, int]
    development: Development
    steps: Dict[str, int]
    arms: Dict[str, Arm]
    least_token_acc: float
    choices: Dict[str, List[str]]
    phases: Dict[str, Phase]
    rows: List[str]
    primary_sets: List[str]
    pairs: List[List[str]]
    power: Plan

    def check(self, where: str) -> None:
        """Raise UserError for what does not fit together."""

        def require(ok: bool, what: str) -> None:
            if not ok:
                raise UserError(f"{where}: {what}")

        require(
            set(self.steps) == {DEVELOPMENT, FINAL},
            f"steps: {DEVELOPMENT} and {FINAL} were expected",
        )
        both = sorted(set(self.arms) & set(self.choices))
        require(not both, f"{both[:1]}: an arm and a choice of one name")
        named = [(f"choices: {c}", a) for c, arms in self.choices.items() for a in arms]
        for place, arm in named:
            require(arm in self.arms, f"{place}: no arm is called {arm}")
        known = {*self.arms, *self.choices}
        named = [(f"phases: {p}", a) for p, x in self.phases.items() for a in x.arms]
        for place, arm in named:
            require(arm in known, f"{place}: no arm or choice is called {arm}")
        for arm in [arm for pair in self.pairs for arm in pair]:
            require(
                arm in known | set(self.rows),
                f"pairs: no arm, choice or row is called {arm}",
            )
        for name, phase in self.phases.items():
            seeds = phase.seeds
            require(
                bool(seeds) and len(set(seeds)) == len(seeds) and bool(phase.arms),
                f"phases: {name}: at least one arm and one seed, none twice",
            )
        require(
            all(len(set(pair)) == 2 for pair in self.pairs), "pairs: of two arms each"
        )
        tried: Dict[str, Set[int]] = {DEVELOPMENT: set(), FINAL: set()}
        for name, phase in self.phases.items():
            tried[part_of(name)] |= set(phase.seeds)
        require(
            not tried[DEVELOPMENT] & tried[FINAL],
            f"phases: {FINAL}: its seeds must not be those of other phases",
        )
        self._check_power(require)

    def _check_power(self, require: Callable[[bool, str], None]) -> None:
        plan = self.power
        require(
            set(plan.sets) == set(self.primary_sets),
            f"power: sets: {', '.join(self.primary_sets)} were expected",
        )
        for name, planned in plan.sets.items():
            require(
                planned.pilot in PILOTS,
                f"power: sets: {name}: pilot: {' or '.join(PILOTS)} was expected",
            )
        require(
            0 < plan.limit < 1 and 0 < plan.alpha < 1,
            "power: alpha and limit lie between 0 and 1",
        )
        seeds = {
            arm: sum(
                len(phase.seeds)
                for name, phase in self.phases.items()
                if part_of(name) == FINAL and arm in phase.arms
            )
            for arm in self.pairs[0]
        }
        require(
            len(plan.seeds) == 2 and min(plan.seeds) > 1,
            "power: seeds: two numbers of at least 2",
        )
        wanted = list(seeds.values())
        require(
            not sum(wanted) or plan.seeds == wanted,
            f"power: seeds: the final phases have {wanted}",
        )


def part_of(phase: str) -> str:
    """Return the part of the experiment, and with it the sets, of a phase."""
    return FINAL if phase.startswith(FINAL) else DEVELOPMENT


def read_protocol(path: PathLike) -> Protocol:
    """Read and check the protocol.

    Raises:
        UserError: unknown or missing keys, or parts that do not fit together.
    """
    data: Dict[str, Any] = dict(read_yaml(path))

    def each(key: str, cls: type) -> None:
        entries = data.get(key)
        if not isinstance(entries, dict) or not entries:
            raise UserError(f"{path}: {key}: a mapping was expected")
        data[key] = {
            name: from_mapping(cls, conf, f"{path}: {key}: {name}")
            for name, conf in entries.items()
        }

    each("arms", Arm)
    each("phases", Phase)
    where = f"{path}: development"
    data["development"] = from_mapping(Development, data.get("development"), where)
    power = dict(data.get("power") or {})
    power["sets"] = {
        name: from_mapping(Planned, conf, f"{path}: power: sets: {name}")
        for name, conf in dict(power.get("sets") or {}).items()
    }
    data["power"] = from_mapping(Plan, power, f"{path}: power")
    protocol = from_mapping(Protocol, data, str(path))
    protocol.check(str(path))
    return protocol
