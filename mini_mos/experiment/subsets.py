"""Smaller training sets: nested, seeded, balanced over systems."""

from collections.abc import Mapping
from typing import Dict, List

from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.signal import generator


def subset_order(systems: Mapping[str, str], seed: int) -> List[str]:
    """Return an order of utterances whose every beginning is balanced over systems.

    Systems take turns, in a seeded order, each with its clips in a seeded order: in
    the first n, no system that has clips left has two fewer than another.

    Args:
        systems: utterance -> system.
        seed: another seed, another order.
    """
    members: Dict[str, List[str]] = {}
    for utt in sorted(systems):
        members.setdefault(systems[utt], []).append(utt)
    turn = generator(seed, "systems").permutation(sorted(members))
    ranked = []
    for place, system in enumerate(map(str, turn)):
        own = generator(seed, "subset", system).permutation(members[system])
        ranked += [(rank, place, str(utt)) for rank, utt in enumerate(own)]
    return [utt for _, _, utt in sorted(ranked)]


def subset(systems: Mapping[str, str], size: int, seed: int) -> List[str]:
    """Return the first `size` of :func:`subset_order`, sorted as data directories are.

    Raises:
        UserError: there are fewer clips.
    """
    if size > len(systems):
        raise UserError(f"{size} clips are asked for, but there are {len(systems)}")
    return sorted(subset_order(systems, seed)[:size], key=str.encode)
