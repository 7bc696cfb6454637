"""The oracle that knows the systems: how much of a test set they explain alone."""

from collections import Counter
from collections.abc import Mapping
from typing import Dict, List, Optional

import numpy as np

SYSTEM_MEAN = "system_mean"


def system_mean(mos: Mapping[str, float], systems: Mapping[str, str]) -> dict:
    """Utterance -> mean of `mos` over all utterances of its system."""
    members: Dict[str, List[float]] = {}
    for utt, value in mos.items():
        members.setdefault(systems[utt], []).append(value)
    means = {system: float(np.mean(v)) for system, v in members.items()}
    return {utt: means[systems[utt]] for utt in mos}


def why_no_oracle(systems: Optional[Mapping[str, str]]) -> str:
    """Why :func:`system_mean` says nothing of a set; empty where it does.

    The mean over a system's only clip is the label of that very clip: a perfect score
    that would be taken for something to reach.

    Args:
        systems: utterance -> system, or None where they are not known.
    """
    if systems is None:
        return "the systems of this set are not known (no utt2sys)"
    counts = Counter(systems.values())
    single = sum(n == 1 for n in counts.values())
    if not single:
        return ""
    have = "system has" if single == 1 else "systems have"
    return (
        f"since {single} of {len(counts)} {have} one clip in this set, and the mean of "
        "such a system is the label of that very clip"
    )
