"""Subsets are nested, seeded and balanced; development sets are apart from the rest."""

from collections import Counter

import pytest

from espnet2_distilmos.utils.datadir import DataDir, read_words, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_yaml
from mini_mos.experiment.protocol import Development
from mini_mos.experiment.sets import make_sets
from mini_mos.experiment.subsets import subset, subset_order

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
        prompts = {u: u.split("-")[2] for u in utts}
        write_lines(folder / name / "utt2prompt", prompts)
    systems = {
        s: {"held_out": False, "chain": [{"family": f}, {"family": "hum"}]}
        for s, f in FAMILY.items()
    }
    systems["sys9"] = {"held_out": True, "chain": [{"family": "opus"}]}
    write_yaml(folder / "systems.yaml", systems)


def make(folder):
    development = Development(["aac"], ["fr"], tune_valid=150, final_valid=300)
    return make_sets(development, folder, folder / "systems.yaml")


@pytest.mark.parametrize("with_test", (False, True))
def test_development_sets_share_nothing_that_they_must_not(tmp_path, with_test):
    write_corpus(tmp_path, {"train": 480, "valid": 1000})  # no test set is needed
    held_out = DataDir(
        wavs={"en-sys9-x": "/wav/x.wav"},
        mos={"en-sys9-x": 2.0},
        systems={"en-sys9-x": "sys9"},
    )
    if with_test:
        held_out.save(tmp_path / "test_system")
    sizes = make(tmp_path)
    assert sizes == {
        "tune_train": 120,
        "tune_valid": 150,
        "dev_speaker": 250,
        "dev_system": 250,
        "final_valid": 300,
    }
    sets = {name: DataDir.load(tmp_path / name) for name in sizes}
    for name in ("tune_train", "tune_valid"):
        assert set(sets[name].speakers.values()) == {"en"}
        assert set(sets[name].systems.values()) == {"sys0", "sys2"}
    assert set(sets["dev_speaker"].speakers.values()) == {"fr"}
    assert set(sets["dev_speaker"].systems.values()) == {"sys0", "sys2"}
    assert set(sets["dev_system"].speakers.values()) == {"en"}
    assert set(sets["dev_system"].systems.values()) == {"sys1", "sys3"}
    for name, data in sets.items():
        wanted = "-train" if name == "tune_train" else "-valid"
        assert all(wanted in utt for utt in data.wavs)
        prompts = read_words(tmp_path / name / "utt2prompt")
        assert prompts == {utt: utt.split("-")[2] for utt in data.wavs}
    families = read_words(tmp_path / "dev_system" / "utt2family")
    assert families == dict.fromkeys(sets["dev_system"].wavs, "aac")
    assert (tmp_path / "test_system").exists() == with_test
    if with_test:
        found = read_words(tmp_path / "test_system" / "utt2family")
        assert found == {"en-sys9-x": "opus"}


def test_families_that_no_system_has_are_refused(tmp_path):
    write_corpus(tmp_path, {"train": 480, "valid": 100})
    systems = {"sys0": {"held_out": False, "chain": [{"family": "hum"}]}}
    write_yaml(tmp_path / "systems.yaml", systems)
    with pytest.raises(UserError, match="0 of 1 training systems have"):
        make(tmp_path)


def test_a_set_without_clips_is_refused(tmp_path):
    write_corpus(tmp_path, {"train": 480, "valid": 1})
    with pytest.raises(UserError, match="dev_speaker: no clip"):
        make(tmp_path)
