"""Intervals around predictions that hold a label with a chosen probability.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al., "Distribution-free
predictive inference for regression", JASA 2018): of n clips with labels that the model
was not trained on, the k-th smallest absolute error with k = ceil((n + 1) x coverage)
is half the width. A further clip's label is then inside with at least that probability,
whatever the model, if the clip could have been one of the n (exchangeability).

Clips of one system are alike, and a new system is none of the n. Where the intervals
shall hold for clips of new systems, each of K systems counts once: its clips share the
weight 1 / (K + 1), as does the one that is to come, whose error may be infinite
(hierarchical conformal prediction: Lee, Barber & Willett, "Distribution-free inference
with hierarchical data", arXiv 2306.06342). With one clip a system that is the same.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Dict, Optional, Tuple

import numpy as np

from espnet2_distilmos.utils.datadir import require_same_ids
from espnet2_distilmos.utils.errors import UserError

# Percent.
COVERAGES = tuple(range(50, 100))
USUAL = 90


def half_widths(
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    groups: Optional[Mapping[str, str]] = None,
    names: Tuple[str, str, str] = ("labels", "predictions", "systems"),
) -> Dict[int, float]:
    """Return coverage in percent -> half of the interval's width.

    Args:
        ref: ID -> label of a clip that the model was not trained on.
        hyp: ID -> prediction.
        groups: ID -> system, where the intervals shall hold for clips of new systems.
        names: what an error calls the three.

    Returns:
        Those of :data:`COVERAGES` that so many clips (systems) can give.

    Raises:
        UserError: IDs that only one of them has, or too few clips (systems) for 90 %.
    """
    files: Dict[str, Mapping[str, object]] = {names[0]: ref, names[1]: hyp}
    if groups is not None:
        files[names[2]] = groups
    require_same_ids(files)
    ids = sorted(ref, key=str.encode)
    group_of = {utt: utt for utt in ids} if groups is None else groups
    sizes = Counter(group_of[utt] for utt in ids)
    what = "clips" if groups is None else "systems"
    # Exactly, since sums of such fractions as floats would miss a rank.
    found: Dict[int, float] = {}
    errors = sorted((abs(ref[utt] - hyp[utt]), group_of[utt]) for utt in ids)
    share = Fraction(0)
    wanted = iter(COVERAGES)
    coverage = next(wanted)
    for error, group in errors:
        share += Fraction(1, (len(sizes) + 1) * sizes[group])
        while 100 * share >= coverage:
            found[coverage] = error
            if (coverage := next(wanted, 0)) == 0:
                return found
    if USUAL not in found:
        fewest = math.ceil(USUAL / (100 - USUAL))
        raise UserError(
            f"{names[0]}: {len(sizes)} {what} are too few for intervals of {USUAL} % "
            f"({fewest} are needed; some hundred make narrower ones)"
        )
    return found


@dataclass(frozen=True)
class Covered:
    """How many labels are within their intervals.

    Attributes:
        n_utt: clips.
        n_covered: of them, those with the label inside.
        by_system: mean over systems of the share of their clips; None = none given.
    """

    n_utt: int
    n_covered: int
    by_system: Optional[float] = None

    @property
    def share(self) -> float:
        """The share of clips."""
        return self.n_covered / self.n_utt

    def interval(self) -> Tuple[float, float]:
        """Return the 95 % interval of the share, for clips that are independent.

        Wilson 1927, "Probable inference, the law of succession, and statistical
        inference".
        """
        z, n = 1.959964, self.n_utt
        centre = (self.share + z * z / (2 * n)) / (1 + z * z / n)
        spread = self.share * (1 - self.share) / n + z * z / (4 * n * n)
        half = z * math.sqrt(spread) / (1 + z * z / n)
        return max(centre - half, 0.0), min(centre + half, 1.0)


def covered(
    ref: Mapping[str, float],
    hyp: Mapping[str, float],
    half_width: float,
    systems: Optional[Mapping[str, str]] = None,
    names: Tuple[str, str, str] = ("labels", "predictions", "systems"),
) -> Covered:
    """Count the labels that are at most `half_width` away from the prediction.

    Args:
        ref: ID -> label.
        hyp: ID -> prediction.
        half_width: MOS units.
        systems: ID -> system, for the mean over systems.
        names: what an error calls the three.

    Raises:
        UserError: IDs that only one of them has, or no clips.
    """
    files: Dict[str, Mapping[str, object]] = {names[0]: ref, names[1]: hyp}
    if systems is not None:
        files[names[2]] = systems
    require_same_ids(files)
    if not ref:
        raise UserError(f"{names[0]}: no clips")
    inside = {utt: abs(ref[utt] - hyp[utt]) <= half_width for utt in ref}
    by_system = None
    if systems is not None:
        shares: Dict[str, list] = {}
        for utt, system in systems.items():
            shares.setdefault(system, []).append(inside[utt])
        by_system = float(np.mean([np.mean(values) for values in shares.values()]))
    return Covered(len(ref), sum(inside.values()), by_system)
