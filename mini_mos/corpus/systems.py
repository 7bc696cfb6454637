"""Systems: one or two degradations with their own parameters, at a calibrated level.

Severities that are simply drawn bunch the labels at 1, because PESQ falls fast. So
each system draws a target MOS, targets being spread evenly over the scale, and its
severity is found by bisection on a few pilot clips.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import List, Tuple

import numpy as np

from mini_mos.corpus.families import FAMILIES
from mini_mos.corpus.label import pesq_mos
from mini_mos.corpus.signal import (
    Unusable,
    generator,
    set_level,
)

LOWEST_TARGET, HIGHEST_TARGET = 1.08, 4.55  # MOS; PESQ's own ends are 1.02 and 4.64
PAIRED = 0.6  # share of the systems with two families
JITTER = 0.07  # standard deviation of the severity from clip to clip
LEVEL_JITTER_DB = 4.0  # clips are played -26 dB +- this, which PESQ does not judge
_TRIES, _LEAD_TRIES, _STEPS, _CLOSE = 6, 3, 5, 0.25


@dataclass(frozen=True)
class Link:
    """One degradation of a system.

    Attributes:
        family: key of FAMILIES.
        weight: its severity is `weight` x the system's.
        character: parameters that do not move with the severity.
    """

    family: str
    weight: float
    character: dict

    def parameters(self, severity: float) -> dict:
        """Return all parameters at the system's `severity`."""
        strength = min(1.0, max(0.0, severity * self.weight))
        return {**self.character, **FAMILIES[self.family].at(strength)}


@dataclass(frozen=True)
class System:
    """A named chain of degradations.

    Attributes:
        name: `sys012`.
        held_out: its families are heard in no other set than `test_system`.
        severity: in [0, 1], the same for all links.
        target_mos, pilot_mos: label aimed at, and reached on the pilot clips.
        chain: applied in this order.
    """

    name: str
    held_out: bool
    severity: float
    target_mos: float
    pilot_mos: float
    chain: Tuple[Link, ...]

    def degrade(self, x: np.ndarray, *seed: object) -> np.ndarray:
        """Degrade `x` (T,) at -26 dB: (T,), |y| < 1; `seed` names the clip."""
        rng = generator(*seed, self.name)
        severity = self.severity + JITTER * float(rng.standard_normal())
        y = x
        for link in self.chain:
            y = FAMILIES[link.family].apply(y, rng, **link.parameters(severity))
        y = set_level(y, -26.0 + LEVEL_JITTER_DB * float(rng.uniform(-1, 1)))
        return y * min(1.0, 0.99 / max(float(np.max(np.abs(y))), 1e-12))

    def to_dict(self) -> dict:
        """Return plain types for systems.yaml, with parameters at mean severity."""
        plain = asdict(self)
        plain["chain"] = [
            {**asdict(link), "parameters": link.parameters(self.severity)}
            for link in self.chain
        ]
        return plain

    @classmethod
    def from_dict(cls, plain: dict) -> "System":
        """Invert :meth:`to_dict`."""
        chain = tuple(
            Link(c["family"], c["weight"], c["character"]) for c in plain["chain"]
        )
        return cls(**{**plain, "chain": chain})


def family_names(held_out: bool) -> List[str]:
    """Return families of the training systems, or those held out for `test_system`."""
    return sorted(n for n, f in FAMILIES.items() if f.held_out == held_out)


def draw_chain(rng: np.random.Generator, lead: str) -> Tuple[Link, ...]:
    """Return `lead` alone, or with a second family of its kind before or behind it."""
    chosen, weights = [lead], [1.0]
    if rng.random() < PAIRED:
        others = [n for n in family_names(FAMILIES[lead].held_out) if n != lead]
        chosen.append(str(rng.choice(others)))
        weights.append(float(rng.uniform(0.4, 1.0)))
        rng.shuffle(weights)
    links = [
        Link(name, weight, FAMILIES[name].character(rng))
        for name, weight in zip(chosen, weights, strict=True)
    ]
    return tuple(links[i] for i in rng.permutation(len(links)))


def _pilot_mos(system: System, pilots: Sequence[np.ndarray], seed: int) -> float:
    """Return the mean label of the pilot clips; one without a label counts as worst."""
    values = []
    for i, x in enumerate(pilots):
        try:
            values.append(pesq_mos(x, system.degrade(x, seed, "pilot", i)))
        except Unusable:
            values.append(1.0)
    return float(np.mean(values))


def make_system(
    name: str, lead: str, target: float, pilots: Sequence[np.ndarray], seed: int
) -> System:
    """Draw a system and set its severity so that the pilot clips score `target` MOS.

    Chains that cannot get near the target (a low-pass alone never sounds like 1) are
    drawn again: three with `lead` in them, then three with any family of its kind;
    the nearest system is kept.
    """
    best = None
    held_out = FAMILIES[lead].held_out
    for attempt in range(_TRIES):
        rng = generator(seed, name, attempt)
        if attempt >= _LEAD_TRIES:
            lead = str(rng.choice(family_names(held_out)))
        chain = draw_chain(rng, lead)
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            severity = (low + high) / 2
            system = System(name, held_out, severity, target, 0.0, chain)
            mos = _pilot_mos(system, pilots, seed)
            if best is None or abs(mos - target) < abs(best.pilot_mos - target):
                best = System(name, held_out, severity, target, mos, chain)
            if mos > target:
                low = severity
            else:
                high = severity
        if abs(best.pilot_mos - target) <= _CLOSE:
            break
    return best


def draw_goals(
    names: Sequence[str], held_out: bool, seed: int
) -> List[Tuple[str, str, float]]:
    """Return (system, lead family, target MOS) of each system.

    Targets: one in each of equal slices of the scale, shuffled. Families lead equally
    often.
    """
    rng = generator(seed, "goals", held_out)
    slices = (rng.permutation(len(names)) + rng.random(len(names))) / len(names)
    values = LOWEST_TARGET + (HIGHEST_TARGET - LOWEST_TARGET) * slices
    leads = rng.permutation(family_names(held_out))
    return [
        (name, str(leads[i % len(leads)]), float(values[i]))
        for i, name in enumerate(names)
    ]
