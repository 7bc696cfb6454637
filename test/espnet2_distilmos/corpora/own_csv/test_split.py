"""How a CSV of one's own is split."""

from pathlib import Path

import numpy as np
import pytest
from own_csv import write

from espnet2_distilmos.corpora.own_csv.prepare import prepare_csv
from espnet2_distilmos.corpora.own_csv.split import split_rows
from espnet2_distilmos.corpora.own_csv.table import Row
from espnet2_distilmos.utils.errors import UserError


def rows(n, systems=0, split=None):
    """Rows with scores 1 to 5 and `systems` systems."""
    return [
        Row(
            i + 2,
            Path("/x") / f"{i}.wav",
            1 + 4 * i / (n - 1),
            f"s{i % systems}" if systems else None,
            split(i) if split else None,
        )
        for i in range(n)
    ]


@pytest.mark.parametrize(
    "n, sizes", [(8, (4, 2, 2)), (30, (20, 5, 5)), (100, (80, 10, 10))]
)
def test_sizes_without_systems(n, sizes):
    split = split_rows(rows(n))
    assert tuple(map(len, split.sets.values())) == sizes
    assert len({r.wav for s in split.sets.values() for r in s}) == n
    assert (
        "by clip, spread over the scores (seed 0): there are no systems" in split.told
    )
    for name in ("valid", "test"):
        mos = [r.mos for r in split.sets[name]]
        assert min(mos) < 3 < max(mos)
    assert np.ptp([r.mos for r in split_rows(rows(100)).sets["test"]]) > 3


def test_systems_are_kept_apart():
    split = split_rows(rows(400, systems=40))
    systems = {n: {r.system for r in x} for n, x in split.sets.items()}
    assert [len(s) for s in systems.values()] == [32, 4, 4]
    assert not systems["train"] & systems["valid"]
    assert not systems["train"] & systems["test"]
    assert not systems["valid"] & systems["test"]
    assert "by system: their systems are not in train (seed 0)" in split.told
    assert split.note == "Systems never heard in training."


def test_eight_systems_are_enough_and_seven_are_not():
    eight = split_rows(rows(40, systems=8))
    systems = {n: {r.system for r in x} for n, x in eight.sets.items()}
    assert [len(s) for s in systems.values()] == [4, 2, 2]
    seven = split_rows(rows(70, systems=7))
    assert "7 systems are too few to keep some out" in seven.told
    assert {r.system for r in seven.sets["test"]} == {f"s{i}" for i in range(7)}
    assert seven.note == "Clips never heard in training; 7 of 7 systems are in train."


def test_one_huge_system_stays_in_training():
    some = rows(200, systems=10)
    huge = [Row(r.line, r.wav, r.mos, "s0") if r.line > 60 else r for r in some]
    for seed in range(10):
        sets = split_rows(huge, seed=seed).sets
        assert "s0" in {r.system for r in sets["train"]}
        assert len(sets["train"]) > 150


def test_split_is_seeded_and_blind_to_the_order():
    some = rows(50, systems=3)
    first = split_rows(some).sets
    assert split_rows(some[::-1]).sets == first
    assert split_rows(some, seed=1).sets != first


def test_split_column_is_respected():
    names = ("train",) * 8 + ("valid", "test")
    split = split_rows(rows(50, 5, lambda i: names[i % 10]))
    assert {n: len(x) for n, x in split.sets.items()} == (
        {"train": 40, "valid": 5, "test": 5}
    )
    assert split.told == "The sets are those of the column split."
    assert all(r.split == n for n, x in split.sets.items() for r in x)


def test_a_missing_set_is_drawn_from_train():
    split = split_rows(rows(50, 0, lambda i: "test" if i < 10 else "train"))
    assert {n: len(x) for n, x in split.sets.items()} == (
        {"train": 35, "valid": 5, "test": 10}
    )
    assert "it has no valid, so that was drawn from train by clip" in split.told


def test_too_little(folder):
    with pytest.raises(UserError, match="7 good clips are too few; 8 are the least"):
        split_rows(rows(7))
    with pytest.raises(UserError, match="0 good training clips are too few"):
        split_rows(rows(50, 0, lambda i: "test"))
    with pytest.raises(UserError, match="at most 0.8 together"):
        split_rows(rows(50), 0.5, 0.5)
    path = write(folder, "wav,mos\n" + "".join(f"wavs/{i}.wav,3\n" for i in range(9)))
    with pytest.raises(UserError, match="all scores are 3; there is nothing to learn"):
        prepare_csv(path, folder / "data")
