"""Subsets are nested, seeded and balanced; development sets are apart from the rest."""

from collections import Counter
from pathlib import Path

import pytest

from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_yaml
from mini_mos.experiment.protocol import read_protocol
from mini_mos.experiment.sets import make_sets
from mini_mos.experiment.subsets import subset, subset_order

REPO = Path(__file__).parents[3]
# Systems with 1, 2, ... 8 clips.
UNEVEN = {f"u{s}{i}": f"sys{s}" for s in range(8) for i in range(s + 1)}


def test_subsets_are_nested_seeded_and_balanced():
    systems = {f"spk-sys{i % 9}-p{i:03d}": f"sys{i % 9}" for i in range(200)}
    for small, large in ((20, 50), (50, 200)):
        assert set(subset(systems, small, 0)) < set(subset(systems, large, 0))
    for size in (9, 20, 100):
        counts = Counter(systems[u] for u in subset(systems, size, 0))
        assert max(counts.values()) - min(counts.values()) <= 1
    assert subset(systems, 50, 0) == subset(dict(reversed(systems.items())), 50, 0)
    assert subset(systems, 50, 0) != subset(systems, 50, 1)


def test_a_system_without_clips_left_is_passed_over():
    order = subset_order(UNEVEN, 3)
    assert sorted(order) == sorted(UNEVEN)
    counts = Counter(UNEVEN[u] for u in order[:20])
    for name, count in counts.items():
        whole = Counter(UNEVEN.values())[name]
        assert count == whole or count >= max(counts.values()) - 1
    with pytest.raises(UserError, match="37 clips are asked for"):
        subset(UNEVEN, 37, 0)


FAMILY = {"sys0": "hum", "sys1": "aac", "sys2": "clipping", "sys3": "aac"}


def write_corpus(folder, sizes):
    """Speakers en and fr; prompts of a set start with its name."""
    for name, n in sizes.items():
        utts = sorted(
            f"{('en', 'fr')[i % 2]}-sys{i // 2 % 4}-{name}{i}" for i in range(n)
        )
        DataDir(
            wavs={u: f"/wav/{u}.wav" for u in utts},
            mos=dict.fromkeys(utts, 3.0),
            systems={u: u.split("-")[1] for u in utts},
            speakers={u: u.split("-")[0] for u in utts},
        ).save(folder / name)
    systems = {
        s: {"held_out": False, "chain": [{"family": f}, {"family": "hum"}]}
        for s, f in FAMILY.items()
    }
    systems["sys9"] = {"held_out": True, "chain": [{"family": "opus"}]}
    write_yaml(folder / "systems.yaml", systems)


def make(tmp_path):
    return make_sets(
        read_protocol(REPO / "conf/experiment.yaml"),
        tmp_path / "a",
        tmp_path / "b",
        tmp_path / "a/systems.yaml",
        tmp_path / "b/systems.yaml",
    )


def test_development_sets_share_nothing_that_they_must_not(tmp_path):
    write_corpus(tmp_path / "a", {"train": 480})  # no test set is needed, or read
    write_corpus(tmp_path / "b", {"valid": 1000})
    sizes = make(tmp_path)
    assert sizes == {
        "tune_train": 120,
        "tune_valid": 150,
        "dev_speaker": 250,
        "dev_system": 250,
        "train_100": 100,
        "train_300": 300,
    }
    sets = {name: DataDir.load(tmp_path / "a" / name) for name in sizes}
    for name in ("tune_train", "tune_valid"):
        assert set(sets[name].speakers.values()) == {"en"}
        assert set(sets[name].systems.values()) == {"sys0", "sys2"}
    assert set(sets["dev_speaker"].speakers.values()) == {"fr"}
    assert set(sets["dev_speaker"].systems.values()) == {"sys0", "sys2"}
    assert set(sets["dev_system"].speakers.values()) == {"en"}
    assert set(sets["dev_system"].systems.values()) == {"sys1", "sys3"}
    for name in ("tune_valid", "dev_speaker", "dev_system"):
        assert all("-valid" in utt for utt in sets[name].wavs)
    assert set(sets["train_100"].wavs) < set(sets["train_300"].wavs)


def test_corpora_that_do_not_belong_together_are_refused(tmp_path):
    write_corpus(tmp_path / "a", {"train": 480})
    write_corpus(tmp_path / "b", {"valid": 100})
    write_yaml(tmp_path / "b/systems.yaml", {})
    with pytest.raises(UserError, match="differ: make both corpora"):
        make(tmp_path)


def test_families_that_no_system_has_are_refused(tmp_path):
    for name, sets in (("a", {"train": 480}), ("b", {"valid": 100})):
        write_corpus(tmp_path / name, sets)
        systems = {"sys0": {"held_out": False, "chain": [{"family": "hum"}]}}
        write_yaml(tmp_path / name / "systems.yaml", systems)
    with pytest.raises(UserError, match="0 of 1 training systems have"):
        make(tmp_path)
