"""What a family is, and the table of all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Dict, Tuple

import numpy as np

# (value at severity 0, value at severity 1, spacing)
Range = Tuple[float, float, str]


def linear(easy: float, hard: float) -> Range:
    """Return a parameter that goes from `easy` to `hard` in equal steps (dB, bits)."""
    return easy, hard, "linear"


def log(easy: float, hard: float) -> Range:
    """Return a parameter that goes from `easy` to `hard` in equal ratios (Hz, kb/s)."""
    return easy, hard, "log"


def _nothing(rng: np.random.Generator) -> dict:
    return {}


@dataclass(frozen=True)
class Family:
    """One kind of degradation.

    Attributes:
        name: key in :data:`FAMILIES`.
        apply: `(x (T,), rng, **parameters) -> y (T,)`.
        strength: parameter -> its range over the severity.
        character: draws the parameters that do not move with the severity.
        held_out: only in `test_system`; no training system may use it.
    """

    name: str
    apply: Callable[..., np.ndarray]
    strength: Mapping[str, Range]
    character: Callable[[np.random.Generator], dict]
    held_out: bool

    def at(self, severity: float) -> dict:
        """Return the main parameters at `severity` in [0, 1]."""
        values = {}
        for name, (easy, hard, spacing) in self.strength.items():
            if spacing == "log":
                value = easy * (hard / easy) ** severity
            else:
                value = easy + (hard - easy) * severity
            values[name] = float(value)
        return values


FAMILIES: Dict[str, Family] = {}


def family(
    name: str,
    strength: Mapping[str, Range],
    character: Callable[[np.random.Generator], dict] = _nothing,
    held_out: bool = False,
) -> Callable:
    """Return a decorator that registers a function as family `name`."""

    def register(apply: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        if name in FAMILIES:
            raise ValueError(f"family {name} is registered twice")
        FAMILIES[name] = Family(name, apply, strength, character, held_out)
        return apply

    return register
