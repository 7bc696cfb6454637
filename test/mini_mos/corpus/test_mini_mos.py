"""The mini_mos corpus, made from speech-like sounds; no network is needed."""

import filecmp
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_speech import speech_like

from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.files import read_yaml
from mini_mos import debian as packages
from mini_mos.bin import prepare_mini_mos as command
from mini_mos.corpus import debian, outputs, speech
from mini_mos.corpus.families import FAMILIES
from mini_mos.corpus.plan import SETS
from mini_mos.corpus.signal import Unusable, set_level
from mini_mos.corpus.speech import Prompt, find_speech, read_clean
from mini_mos.corpus.systems import System

SMALL = "--n_train 20 --n_valid 6 --n_test 8 --n_test_speaker 8 --n_test_system 8"
SYSTEMS = "--n_systems 6"


@pytest.fixture(scope="module")
def speech_dir(tmp_path_factory) -> Path:
    """Three speakers, three rates, twelve prompts each; some files of no use."""
    folder = tmp_path_factory.mktemp("speech")
    for s, (speaker, rate) in enumerate(
        (("ann", 16000), ("bo-b", 22050), ("cy", 8000))
    ):
        (folder / speaker / "day 1").mkdir(parents=True)
        for i in range(12):
            x = speech_like(100 * s + i, 1.1 + 0.05 * i, rate)
            soundfile.write(folder / speaker / "day 1" / f"p.{i}-x.wav", x, rate)
    soundfile.write(folder / "ann" / "short.wav", np.ones(100), 16000)
    soundfile.write(folder / "cy" / "long.flac", speech_like(9, 7.0), 16000)
    soundfile.write(folder / "ann" / "silent.wav", np.zeros(24000), 16000)
    (folder / "ann" / "broken.wav").write_bytes(b"RIFF, not really")
    (folder / "ann" / "twice.wav").write_bytes(
        (folder / "ann" / "day 1" / "p.0-x.wav").read_bytes()
    )
    return folder


def make(folder: Path, speech_dir: Path, *options: str) -> int:
    """Run the command in `folder`; return its exit code."""
    cmd = [*SMALL.split(), *SYSTEMS.split(), "--speech_dir", str(speech_dir), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run(command.main, cmd)


@pytest.fixture(scope="module")
def corpus(speech_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    assert make(folder, speech_dir, "--nj", "2") == 0
    return folder


def load(corpus: Path) -> dict[str, DataDir]:
    return {s: DataDir.load(corpus / "data" / s) for s in SETS}


def same_tree(a: Path, b: Path) -> None:
    """All files but locks have the same bytes."""
    names = [
        sorted(str(p.relative_to(f)) for p in f.rglob("*") if p.is_file())
        for f in (a, b)
    ]
    assert names[0] == names[1]
    _, different, errors = filecmp.cmpfiles(a, b, names[0], shallow=False)
    assert (different, errors) == ([], [])


def test_sets_have_sizes_labels_and_audio(corpus):
    skipped = (corpus / "downloads/mini_mos/skipped.txt").read_text()
    sizes = dict(zip(SETS, (20, 6, 8, 8, 8)))
    for name, data in load(corpus).items():
        lost = [u for u in skipped.split() if u in data.wavs]
        assert lost == []
        assert 0.7 * sizes[name] <= len(data.wavs) <= sizes[name]
        for utt, wav in data.wavs.items():
            assert utt.startswith(data.speakers[utt] + "-")
            assert re.fullmatch(r"[A-Za-z0-9_-]+", utt)
            assert 1.0 <= data.mos[utt] <= 4.65
            info = soundfile.info(corpus / wav)
            assert (info.samplerate, info.channels) == (16000, 1)
            assert info.subtype == "PCM_16"
    assert (corpus / "downloads/mini_mos/labels.png").stat().st_size > 1000


def test_sets_are_disjoint(corpus):
    sets = load(corpus)
    prompts = {s: {utt.split("-", 2)[2] for utt in d.wavs} for s, d in sets.items()}
    for a in SETS:
        for b in SETS:
            assert a == b or not prompts[a] & prompts[b]
    heard = set(sets["train"].speakers.values())
    assert set(sets["test_speaker"].speakers.values()).isdisjoint(heard)
    assert set(sets["test_system"].speakers.values()) <= heard

    table = read_yaml(corpus / "downloads/mini_mos/systems.yaml")

    def families(name: str) -> set[str]:
        systems = set(sets[name].systems.values())
        return {link["family"] for s in systems for link in table[s]["chain"]}

    for name in set(SETS) - {"test_system"}:
        assert families(name).isdisjoint(families("test_system"))
        assert not any(FAMILIES[f].held_out for f in families(name))


def test_left_out_recordings_are_listed(corpus):
    lines = (corpus / "downloads/mini_mos/skipped.txt").read_text()
    assert re.search(r"broken\.wav\tunreadable audio", lines)
    assert re.search(r"short\.wav\t.* s long", lines)
    assert re.search(r"twice\.wav\tsame recording as .*p\.0-x\.wav", lines)
    provenance = read_yaml(corpus / "downloads/mini_mos/provenance.yaml")
    assert provenance["recordings_skipped"] == 3
    assert provenance["recordings_used"] == 38
    assert "objective" in provenance["labels"]


def test_number_of_processes_changes_nothing(corpus, speech_dir, tmp_path):
    assert make(tmp_path, speech_dir, "--nj", "1") == 0
    same_tree(corpus, tmp_path)


def test_rerun_does_nothing_and_a_killed_run_goes_on(corpus, speech_dir, tmp_path):
    files = [p for p in corpus.rglob("*") if p.is_file() and p.name != ".lock"]
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}
    assert make(corpus, speech_dir) == 0
    assert all(p.stat().st_mtime_ns == before[p][0] for p in files)

    # As after a kill: one chunk without labels, one wav lost, no end.
    audio = corpus / "downloads/mini_mos"
    (audio / "labels/test.0000.tsv").unlink()
    next((audio / "wav/valid").iterdir()).unlink()
    (audio / "provenance.yaml").unlink()
    (corpus / "data/train/wav.scp").unlink()
    assert make(corpus, speech_dir, "--nj", "1") == 0
    assert {p: p.read_bytes() for p in files} == {p: b for p, (_, b) in before.items()}


def test_clean_sets_have_the_training_prompts_alone(corpus, speech_dir, tmp_path):
    """And what the corpus holds stays as it is."""
    shutil.copytree(corpus, tmp_path, dirs_exist_ok=True)
    train = DataDir.load(tmp_path / "data/train")
    few = [
        u for u in train.wavs if train.speakers[u] == train.speakers[min(train.wavs)]
    ]
    train.subset(few).save(tmp_path / "data/few")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.wav")}
    names = ("clean", "clean_few")
    assert make(tmp_path, speech_dir, "--clean_sets", *names) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before
    for name, source in zip(names, (list(train.wavs), few)):
        found = DataDir.load(tmp_path / "data" / name)
        assert found.mos is None and found.systems is None
        expected = {(u.split("-")[0], u.split("-")[2]) for u in source}
        assert {(u.split("-")[0], u.split("-")[2]) for u in found.wavs} == expected
        assert len(found.wavs) == len(expected)
        assert found.speakers == {u: u.split("-")[0] for u in found.wavs}
    recordings = {(p.speaker, p.name): p.path for p in find_speech(speech_dir)[0]}
    for utt, wav in DataDir.load(tmp_path / "data/clean").wavs.items():
        speaker, _, prompt = utt.split("-")
        samples, rate = soundfile.read(tmp_path / wav)
        clean = read_clean(recordings[speaker, prompt])
        assert rate == 16000 and np.abs(samples - clean).max() < 1e-4
    # Once made, they are kept; a changed source makes them again.
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*-clean-*.wav")}
    assert make(tmp_path, speech_dir, "--clean_sets", *names) == 0
    assert {p: p.stat().st_mtime_ns for p in made} == made
    train.subset(few[:1]).save(tmp_path / "data/few")
    assert make(tmp_path, speech_dir, "--clean_sets", *names) == 0
    (wav,) = DataDir.load(tmp_path / "data/clean_few").wavs.values()
    assert [
        str(p.relative_to(tmp_path)) for p in (tmp_path / wav).parent.glob("*.wav")
    ] == [wav]


@pytest.mark.parametrize(
    "name, message",
    [("noisy", "clean or clean_SET"), ("clean_none", "none/wav.scp: cannot be read")],
)
def test_clean_sets_that_cannot_be(name, message, corpus, speech_dir, tmp_path, capsys):
    shutil.copytree(corpus, tmp_path, dirs_exist_ok=True)
    assert make(tmp_path, speech_dir, "--clean_sets", name) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "data" / name).exists()


def test_other_options_are_made_anew(speech_dir, tmp_path, caplog):
    few = "--n_train 4 --n_valid 0 --n_test 0 --n_test_speaker 0 --n_test_system 0"
    args = ["--nj", "1", "--n_systems", "4", *few.split()]
    assert make(tmp_path, speech_dir, *args) == 0
    first = (tmp_path / "data/train/utt2mos").read_text()
    assert not (tmp_path / "data/test").exists()
    assert make(tmp_path, speech_dir, *args, "--seed", "1") == 0
    assert "making all anew" in caplog.text
    assert (tmp_path / "data/train/utt2mos").read_text() != first
    wavs = {p.stem for p in (tmp_path / "downloads/mini_mos/wav").rglob("*.wav")}
    assert wavs == set(DataDir.load(tmp_path / "data/train").wavs)


def test_system_round_trip(corpus):
    table = read_yaml(corpus / "downloads/mini_mos/systems.yaml")
    x = set_level(speech_like(2, 1.2))
    for plain in table.values():
        system = System.from_dict(plain)
        assert system.to_dict() == plain
        y = system.degrade(x, 0, "clip")
        assert y.shape == x.shape and np.max(np.abs(y)) < 1
        np.testing.assert_array_equal(y, system.degrade(x, 0, "clip"))
        assert not np.array_equal(y, system.degrade(x, 0, "another clip"))


def test_find_speech_names(speech_dir):
    prompts, _ = find_speech(speech_dir)
    assert {p.speaker for p in prompts} == {"ann", "bo_b", "cy"}
    assert "day_1_p_3_x" in {p.name for p in prompts}
    x = read_clean(next(p.path for p in prompts if p.speaker == "cy"))
    assert abs(len(x) - 1.1 * 16000) <= 2  # was 8 kHz
    assert len(read_clean(speech_dir / "cy" / "long.flac")) == 6 * 16000
    short, skipped = find_speech(speech_dir, long_ones=False)
    assert len(short) == len(prompts) - 1
    assert any("long.flac" in path and "7.00 s" in why for path, why in skipped)
    with pytest.raises(Unusable, match="silent"):
        read_clean(speech_dir / "ann" / "silent.wav")


@pytest.mark.parametrize("use", ("missing", "empty"))
def test_folder_without_speech(use, tmp_path, capsys):
    folder = tmp_path / "speech"
    if use == "empty":
        folder.mkdir()
    assert make(tmp_path, folder) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and str(folder) in error


def test_without_apt_one_line_says_both_ways(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert run(command.main, []) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "--speech_dir" in error and "apt-get" in error


def test_packages_that_cannot_be_had(tmp_path, capsys, monkeypatch):
    def refuse(args, cwd):
        return subprocess.CompletedProcess(args, 100, "", "W: x\nE: no network\n")

    monkeypatch.setattr(debian, "have_programs", lambda *names: True)
    monkeypatch.setattr(packages, "run", refuse)
    monkeypatch.chdir(tmp_path)
    assert run(command.main, []) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "no network" in error and "--speech_dir" in error and "Debian" in error
    assert not list(tmp_path.glob("downloads/mini_mos/speech/.tmp*"))


@pytest.mark.parametrize(
    "options",
    (
        ["--n_test", "-1"],
        ["--n_train", "0"],
        ["--n_systems", "3"],
        ["--n_held_out_systems", "-1"],
    ),
)
def test_impossible_sizes(options, speech_dir, tmp_path, capsys):
    assert make(tmp_path, speech_dir, *options) == 1
    assert options[0] in capsys.readouterr().err


def test_a_number_stands_for_the_code_and_places_do_not_count(monkeypatch):
    here = [Prompt("ann", "hello", "/a/hello.wav", "k1")]
    there = [Prompt("ann", "hello", "/b/hello.wav", "k1")]
    other = [Prompt("ann", "hello", "/a/hello.wav", "k2")]
    before = outputs.fingerprint_of({"seed": 0}, here)
    assert outputs.fingerprint_of({"seed": 0}, there) == before
    assert outputs.fingerprint_of({"seed": 0}, other) != before
    assert outputs.fingerprint_of({"seed": 1}, here) != before
    monkeypatch.setattr(outputs, "FORMAT", outputs.FORMAT + 1)
    assert outputs.fingerprint_of({"seed": 0}, here) != before
