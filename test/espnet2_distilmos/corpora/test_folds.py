"""Folds of a cross-validation: who tests what, and what is written."""

import numpy as np
import pytest

from espnet2_distilmos.bin.make_folds import main
from espnet2_distilmos.corpora.folds.deal import Clip, deal_folds
from espnet2_distilmos.corpora.folds.write import make_folds
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.folds import PARTS, Folds
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels
from espnet2_distilmos.utils.stamp import audio_request


def clips_of(sizes, seed=0):
    """Clips of systems of these sizes, whose labels differ by system."""
    rng = np.random.default_rng(seed)
    return [
        Clip(f"s{s:02d}_{i:02d}", 1 + s % 9 / 2 + rng.uniform(-0.2, 0.2), f"s{s:02d}")
        for s, n in enumerate(sizes)
        for i in range(n)
    ]


def systems(clips):
    return {c.system for c in clips}


@pytest.mark.parametrize(
    "sizes, n_folds",
    [([6] * 13, 5), ([16] * 8, 5), ([50, 5, 5, 6, 7, 5, 4, 3], 3), ([4] * 9, 9)],
)
def test_no_system_is_in_two_folds_and_every_clip_is_tested_once(sizes, n_folds):
    clips = clips_of(sizes)
    folds = deal_folds(clips, n_folds)
    tested = [c.utt for fold in folds for c in fold.test]
    assert sorted(tested) == sorted(c.utt for c in clips)
    for i, fold in enumerate(folds):
        for other in folds[i + 1 :]:
            assert not systems(fold.test) & systems(other.test)
        assert not systems(fold.test) & systems(fold.train + fold.valid)
        parts = [c.utt for part in PARTS for c in getattr(fold, part)]
        assert sorted(parts) == sorted(c.utt for c in clips)
        rest = systems(fold.train + fold.valid)
        assert fold.apart == (len(rest) >= 8)
        assert fold.apart != bool(systems(fold.train) & systems(fold.valid))
        if fold.apart:
            assert len(systems(fold.valid)) >= 2


def test_folds_are_alike_in_clips_and_labels():
    clips = clips_of([6] * 15)
    overall = np.mean([c.mos for c in clips])
    for fold in deal_folds(clips, 5):
        assert len(fold.test) == 18
        assert abs(np.mean([c.mos for c in fold.test]) - overall) < 0.5
    # Of systems of several sizes the large ones go to folds with few clips.
    sizes = [len(f.test) for f in deal_folds(clips_of([10, 2] * 6), 3)]
    assert max(sizes) - min(sizes) <= 8


def test_the_seed_decides_and_the_order_does_not():
    clips = clips_of([6] * 13)
    first = deal_folds(clips, 5, seed=1)
    assert deal_folds(clips[::-1], 5, seed=1) == first
    assert deal_folds(clips, 5, seed=2) != first


def test_folds_of_clips_spread_labels():
    clips = clips_of([12] * 3)
    folds = deal_folds(clips, 5, "clip")
    overall = np.mean([c.mos for c in clips])
    for fold in folds:
        assert len(fold.test) in (7, 8) and not fold.apart
        assert abs(np.mean([c.mos for c in fold.test]) - overall) < 0.2


def test_clips_that_cannot_train_are_tested():
    clips = [Clip(f"u{i:02d}", 1.0 + i % 4, f"s{i % 10}", i != 7) for i in range(40)]
    folds = deal_folds(clips, 2)
    assert sum(c.utt == "u07" for f in folds for c in f.test) == 1
    assert not any(c.utt == "u07" for f in folds for c in f.train + f.valid)


@pytest.mark.parametrize(
    "clips, n_folds, by, message",
    [
        (clips_of([4] * 3), 5, "system", "5 folds by system need as many systems"),
        (clips_of([4] * 3), 1, "system", "1 folds: 2 are the least"),
        (clips_of([2] * 3), 2, "system", "6 clips are too few; 8 are the least"),
        (clips_of([7, 1]), 2, "system", "fold 1: 1 clip of usable length left"),
    ],
)  # fmt: skip
def test_folds_that_cannot_be_made_are_refused(clips, n_folds, by, message):
    with pytest.raises(UserError, match=message):
        deal_folds(clips, n_folds, by)


@pytest.fixture
def raw(tmp_path, noise, make_set, monkeypatch):
    """Two formatted sets, `a` (one clip too short to train) and `b`, of ten systems."""
    monkeypatch.chdir(tmp_path)
    for name, n in (("a", 24), ("b", 12)):
        utts = [f"{name}{i:02d}" for i in range(n)]
        clips = {u: noise(i, 3200 if u != "a03" else 800) for i, u in enumerate(utts)}
        mos = {u: 1 + i % 10 / 3 for i, u in enumerate(utts)}
        parts = {u: f"s{i % 10}" for i, u in enumerate(utts)}
        folder = make_set(tmp_path / "data" / name, clips, mos=mos, systems=parts)
        Labels((LabelInfo("mine", "human", "MOS"),)).write(folder / "labels.yaml")
        format_audio(folder, tmp_path / "cv" / "raw" / name)
    return tmp_path


SETS = ["cv/raw/a", "cv/raw/b"]
OPTIONS = ["--output_dir", "cv", "--folds", "3", "--min_seconds", "0.1"]


def content(folder):
    return {
        str(p): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.suffix not in (".wav", ".lock")
    }


def test_labels_of_scales_go_along(raw):
    """Clips of a set without any have none."""
    data = DataDir.load(raw / SETS[0])
    data.scores = {u: {"SIG": m} for u, m in data.mos.items()}
    data.save(raw / SETS[0])
    assert run(main, ["--data_dirs", *SETS, *OPTIONS]) == 0
    scores = DataDir.load(Folds.read("cv").part(1, "train")).scores
    assert {bool(s) for u, s in scores.items() if u[0] == "a"} == {True}
    assert {bool(s) for u, s in scores.items() if u[0] == "b"} == {False}


def test_folds_are_formatted_sets(raw):
    assert run(main, ["--data_dirs", *SETS, *OPTIONS]) == 0
    folds = Folds.read("cv")
    assert (folds.n, folds.by, folds.name) == (3, "system", "cv")
    whole = DataDir.load(folds.whole)
    assert len(whole.wavs) == 36
    assert (folds.whole / "dropped.txt").read_text().startswith("a03 0.050 s is short")
    tested = {}
    for i in (1, 2, 3):
        parts = {part: DataDir.load(folds.part(i, part)) for part in PARTS}
        tested |= parts["test"].mos
        used = {**parts["train"].wavs, **parts["valid"].wavs}
        assert "a03" not in used
        heard = {whole.systems[u] for u in used}
        assert not heard & set(parts["test"].systems.values())
        for part in PARTS:
            folder = folds.part(i, part)
            samples = read_floats(folder / "utt2num_samples")
            assert samples.keys() == parts[part].wavs.keys()
            # Known by its samples, not by where they lie.
            assert "wav_scp_sha256" not in audio_request(folder)
            assert Labels.beside(folder).name == "MOS"
            assert (folder / "utt2sys_id").exists()
    assert tested == whole.mos
    note = read_yaml("cv/set_notes.yaml")["cv"]
    assert note.startswith("Out of fold: 36 clips of 10 systems (a + b) in 3 folds by")
    assert "1 clip is tested, but too short or long to train" in note
    # Again: nothing is made; anew: the same bytes.
    before, record = content(raw / "cv"), raw / "cv/folds.yaml"
    written = record.stat().st_mtime_ns
    assert run(main, ["--data_dirs", *SETS, *OPTIONS]) == 0
    assert record.stat().st_mtime_ns == written
    for folder in ("cv/folds.yaml", "cv/fold1/raw/train/wav.scp"):
        (raw / folder).unlink()
    make_folds(SETS, "cv", 3, min_seconds=0.1)
    assert content(raw / "cv") == before


def test_a_set_that_trains_in_every_fold_is_dealt_in_none(raw):
    Labels((LabelInfo("more", "objective", "PESQ"),)).write(
        raw / "cv/raw/b/labels.yaml"
    )
    words = ["--data_dirs", SETS[0], "--train_dirs", SETS[1], *OPTIONS]
    assert run(main, words) == 0
    folds = Folds.read("cv")
    dealt, always = (DataDir.load(folder) for folder in SETS)
    assert DataDir.load(folds.whole).mos == dealt.mos
    tested = {}
    for i in (1, 2, 3):
        train, valid, test = (DataDir.load(folds.part(i, part)) for part in PARTS)
        assert always.wavs.keys() <= train.wavs.keys()
        assert not always.wavs.keys() & {*valid.wavs, *test.wavs}
        assert train.mos.keys() - always.mos.keys() <= dealt.mos.keys()
        tested |= test.mos
        for part, corpora in (("train", "mine, more"), ("test", "mine")):
            assert Labels.beside(folds.part(i, part)).corpora == corpora
    assert tested == dealt.mos
    note = read_yaml("cv/set_notes.yaml")["cv"]
    assert "24 clips of 10 systems (a) in 3" in note
    assert "12 clips of b train in every fold" in note
    # Without it the folds are others, and made anew.
    assert run(main, ["--data_dirs", SETS[0], *OPTIONS]) == 0
    assert not always.wavs.keys() & DataDir.load(folds.part(1, "train")).wavs.keys()


@pytest.mark.parametrize(
    "harm, by, message",
    [
        (lambda a: (a / "utt2sys").unlink(), "system", "a: has no utt2sys; folds by"),
        (lambda a: (a / "utt2mos").unlink(), "clip", "a: has no utt2mos; folds need"),
        (lambda a: None, "speaker", "every clip is a speaker of its own"),
    ],
)
def test_what_a_set_lacks_is_one_line(raw, capsys, harm, by, message):
    harm(raw / "cv/raw/a")
    args = ["--data_dirs", *SETS, *OPTIONS, "--fold_by", by]
    assert run(main, args) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert message in line


def test_a_clip_in_two_sets_is_refused(raw):
    format_audio("data/a", "cv/raw/b2")
    with pytest.raises(UserError, match="clip a00 is in cv/raw/a and in cv/raw/b2"):
        make_folds([*SETS, "cv/raw/b2"], "cv", 3)


def test_a_record_that_says_nothing_is_refused(tmp_path):
    (tmp_path / "folds.yaml").write_text("request: {n_folds: many}\n")
    with pytest.raises(UserError, match="does not say which folds these are"):
        Folds.read(tmp_path)
