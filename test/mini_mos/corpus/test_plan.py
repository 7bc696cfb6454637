"""Which prompt is degraded by which system, in which set."""

import pytest

from espnet2_distilmos.utils.errors import UserError
from mini_mos.corpus.plan import (
    SETS,
    plan_set,
    split_prompts,
    unheard_speakers,
)
from mini_mos.corpus.speech import Prompt


def prompts_of(speakers: str, n: int) -> list[Prompt]:
    return [
        Prompt(s, f"p{i}", f"{s}/{i}", f"{s}{i}") for s in speakers for i in range(n)
    ]


def test_plan_is_balanced_and_repeats_no_pair():
    prompts = prompts_of("abc", 10)
    systems = [f"sys{i:03d}" for i in range(7)]
    clips = plan_set("train", prompts, systems, 7 * 30, seed=0)
    assert len({c.utt for c in clips}) == 210
    first = clips[:60]
    per_system = [sum(c.system == s for c in first) for s in systems]
    assert max(per_system) - min(per_system) <= 1
    per_speaker = [sum(c.prompt.speaker == s for c in first) for s in "abc"]
    assert max(per_speaker) - min(per_speaker) <= 2
    with pytest.raises(UserError, match="--n_train 211: only 210 different clips"):
        plan_set("train", prompts, systems, 211, seed=0)


def test_translations_of_a_prompt_stay_in_one_set():
    prompts = prompts_of("abcde", 40)
    pools = split_prompts(prompts, {"d", "e"}, SETS, seed=3)
    names = {s: {p.name for p in pool} for s, pool in pools.items()}
    assert sum(map(len, names.values())) == 40
    assert all(names.values())
    assert {p.speaker for p in pools["test_speaker"]} == {"d", "e"}


def test_unheard_speakers():
    assert unheard_speakers(["en", "it", "ru"], True, 0) == {"it", "ru"}
    assert len(unheard_speakers([f"s{i}" for i in range(10)], False, 0)) == 2
    with pytest.raises(UserError, match="at least two speakers"):
        unheard_speakers(["one"], False, 0)


def test_sizes_of_mini_mos_are_those_of_the_corpus():
    """The command names them without loading codecs and PESQ."""
    import dataclasses

    from mini_mos.bin.prepare_mini_mos import SIZES
    from mini_mos.corpus.prepare import Sizes

    assert {name: number for name, (number, _) in SIZES.items()} == dataclasses.asdict(
        Sizes()
    )


def test_more_systems_held_out_leave_the_others_as_they_are():
    from mini_mos.corpus.prepare import Sizes

    plain, more = Sizes(systems=8), Sizes(systems=8, held_out_systems=5)
    assert list(plain.system_names().values()) == 6 * [False] + 2 * [True]
    assert list(more.system_names().values()) == 6 * [False] + 5 * [True]
    # The corpora that there are do not know of the number, and must not be made anew.
    assert more.record() == {**plain.record(), "held_out_systems": 5}
    assert "held_out_systems" not in plain.record()
