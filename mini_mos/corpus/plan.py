"""Who says what in which set: everything that is decided before any audio is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Dict, List, Set, Tuple

from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.signal import generator
from mini_mos.corpus.speech import Prompt

SETS = ("train", "valid", "test", "test_speaker", "test_system")
# Shares of the prompts. Few suffice for a test set, since each is used with several
# systems; training wants variety.
SHARES = {
    "train": 0.52,
    "valid": 0.1,
    "test": 0.14,
    "test_speaker": 0.1,
    "test_system": 0.14,
}
UNHEARD_LANGUAGES = ("it", "ru")


@dataclass(frozen=True)
class Clip:
    """One utterance to be made."""

    utt: str
    set_name: str
    system: str
    prompt: Prompt


def unheard_speakers(speakers: Sequence[str], debian: bool, seed: int) -> Set[str]:
    """Return the speakers of `test_speaker`: it and ru, or a seeded fifth.

    Raises:
        UserError: fewer than two speakers.
    """
    if debian:
        return set(UNHEARD_LANGUAGES)
    if len(speakers) < 2:
        raise UserError(
            "test_speaker needs at least two speakers, one first-level folder of "
            "--speech_dir each; or give --n_test_speaker 0"
        )
    order = generator(seed, "speakers").permutation(sorted(speakers))
    return set(map(str, order[: max(1, round(len(speakers) / 5))]))


def split_prompts(
    prompts: Sequence[Prompt], unheard: Set[str], sets: Sequence[str], seed: int
) -> Dict[str, List[Prompt]]:
    """Share the prompts out so that no prompt *name* is in two sets.

    Translations of a sentence have the same name, so not even those straddle sets.
    """
    heard_names = {p.name for p in prompts if p.speaker not in unheard}
    unheard_names = {p.name for p in prompts if p.speaker in unheard}
    place = {name: "test_speaker" for name in unheard_names - heard_names}
    for salt, names in (
        ("both", heard_names & unheard_names),
        ("heard", heard_names - unheard_names),
    ):
        wanted = [s for s in sets if salt == "both" or s != "test_speaker"]
        order = generator(seed, "prompts", salt).permutation(sorted(names))
        total = sum(SHARES[s] for s in wanted)
        # Each set gets a name before shares are counted: small folders work too.
        spare = max(0, len(order) - len(wanted))
        done, share = 0, 0.0
        for i, s in enumerate(wanted):
            share += SHARES[s]
            end = i + 1 + round(spare * share / total)
            place.update(dict.fromkeys(map(str, order[done:end]), s))
            done = end
    return {
        s: [
            p
            for p in prompts
            if place.get(p.name) == s
            and (p.speaker in unheard) == (s == "test_speaker")
        ]
        for s in sets
    }


def _interleave(prompts: Sequence[Prompt], *seed: object) -> List[Prompt]:
    """Shuffle; speakers take turns as long as they last."""
    order = [prompts[i] for i in generator(*seed).permutation(len(prompts))]
    turn: Dict[str, int] = {}
    ranked = []
    for p in order:
        turn[p.speaker] = turn.get(p.speaker, 0) + 1
        ranked.append((turn[p.speaker], p.speaker, p))
    return [p for _, _, p in sorted(ranked, key=lambda r: r[:2])]


def plan_set(
    name: str, prompts: Sequence[Prompt], systems: Sequence[str], size: int, seed: int
) -> List[Clip]:
    """Return `size` clips, systems and prompts used equally often, no pair twice.

    Raises:
        UserError: not enough prompts x systems for `size`.
    """
    most = len(prompts) * len(systems)
    if size > most:
        raise UserError(
            f"--n_{name} {size}: only {most} different clips can be made "
            f"({len(prompts)} prompts x {len(systems)} systems); give a smaller number "
            "or more speech with --speech_dir"
        )
    clips: List[Clip] = []
    used: Set[Tuple[str, str]] = set()
    queue: List[Prompt] = []
    lap = 0
    for k in range(size):
        if k % len(systems) == 0:
            lap_order = generator(seed, name, "lap", k).permutation(sorted(systems))
        system = str(lap_order[k % len(systems)])
        while True:
            unused = (i for i, p in enumerate(queue) if (p.key, system) not in used)
            first = next(unused, None)
            if first is not None:
                break
            queue += _interleave(prompts, seed, name, "prompts", lap)
            lap += 1
        prompt = queue.pop(first)
        used.add((prompt.key, system))
        utt = f"{prompt.speaker}-{system}-{prompt.name}"
        clips.append(Clip(utt, name, system, prompt))
    return clips
