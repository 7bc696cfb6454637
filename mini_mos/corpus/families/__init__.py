"""Families of degradations: small functions in one registry.

A family is a function `apply(x, rng, **parameters) -> y` on a float clip (T,) at
16 kHz that returns as many samples. `strength` says how its main parameters move
with the severity (0 = hardly audible, 1 = worst), `character` draws the others. A
new family is one decorated function in one of the modules below.
"""

from mini_mos.corpus.families import (  # noqa: F401  (register)
    band,
    codec,
    noise,
    nonlinear,
    resynthesis,
    room,
    timing,
)
from mini_mos.corpus.families.registry import FAMILIES, Family

__all__ = ["FAMILIES", "Family"]
