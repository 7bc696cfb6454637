"""Preparation of the published corpora, on miniatures with their names and traps."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora_helpers import findings, ratings_of, read_csv
from miniatures import SILENT, make_miniature

from espnet2_distilmos.bin import prepare_corpus as command
from espnet2_distilmos.corpora import bc19, bvcc, nisqa, singmos, somos, tmhint_qi
from espnet2_distilmos.corpora.prepare import READERS, prepare_corpus
from espnet2_distilmos.corpora.voicemos2022 import listener_id
from espnet2_distilmos.corpora.write import Published
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_lines, to_word
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

# (Of P.835 and MUSHRA, whose sets overlap: test_listening_tests.py.)
SIZES = {
    "bvcc": {"train": (30, 10), "valid": (11, 11), "test": (24, 12)},
    "bc19": {"train": (30, 10), "valid": (10, 10), "test": (22, 11)},
    "somos": {"train": (30, 12), "valid": (12, 12), "test": (24, 12)},
    "nisqa": {
        "train": (30, 30),
        "valid": (12, 12),
        "test_for": (20, 10),
        "test_p501": (20, 10),
        "test_livetalk": (20, 10),
    },
    "tmhint_qi": {"train": (44, 12), "valid": (4, 4), "test": (24, 12)},
    "singmos": {"train": (30, 12), "valid": (12, 12), "test": (24, 12)},
}


@pytest.mark.parametrize("corpus", SIZES)
def test_every_listed_clip_comes_out_with_label_and_system(
    corpus, trees, tmp_path, caplog
):
    prepare_corpus(corpus, trees(corpus), tmp_path)
    everything = set()
    for dset, (n_clips, n_systems) in SIZES[corpus].items():
        data = DataDir.load(tmp_path / dset)
        assert len(data.wavs) == n_clips and len(set(data.systems.values())) == (
            n_systems
        )
        assert all(1 <= mos <= 5 for mos in data.mos.values())
        assert all(
            Path(w).is_absolute() and Path(w).is_file() for w in data.wavs.values()
        )
        assert not everything & set(data.wavs)
        everything |= set(data.wavs)
    # Both numbers are told, and kept.
    for dset, published in READERS[corpus](trees(corpus)).published.clips.items():
        n = SIZES[corpus][dset][0] + (corpus == "bvcc" and dset == "train")
        assert f"{dset}: {n} clips, {published} are published" in caplog.text
    counts = read_yaml(tmp_path / "corpus.yaml")["sets"]
    assert {d: (c["clips"], c["systems"]) for d, c in counts.items()} == SIZES[corpus]


@pytest.mark.parametrize("corpus", SIZES)
def test_strict_is_an_error_where_counts_differ_and_none_where_not(
    corpus, trees, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"are published.*--strict true") as error:
        prepare_corpus(corpus, trees(corpus), tmp_path, strict=True)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*/wav.scp"))
    assert (tmp_path / "skipped.txt").exists()

    clips = {dset: n for dset, (n, _) in SIZES[corpus].items()}
    if corpus == "bvcc":
        clips["train"] += 1  # the silent one is published too
    if corpus == "somos":
        monkeypatch.setattr(somos, "CLIPS", clips)
    else:
        module = {"bvcc": bvcc, "bc19": bc19, "nisqa": nisqa, "tmhint_qi": tmhint_qi}
        published = Published(clips, {"train": SIZES[corpus]["train"][1]})
        monkeypatch.setattr(module.get(corpus, singmos), "PUBLISHED", published)
    prepare_corpus(corpus, trees(corpus), tmp_path, strict=True)
    assert len(DataDir.load(tmp_path / "train").wavs) == SIZES[corpus]["train"][0]


def test_published_counts_are_those_of_the_papers():
    assert bvcc.PUBLISHED.clips == {"train": 4974, "valid": 1066, "test": 1066}
    assert bvcc.PUBLISHED.systems == {"train": 175, "valid": 181, "test": 187}
    assert bc19.PUBLISHED.clips["test"] == 540
    for subset, names in (("clean", "train valid test"), ("full", "train_full "
                          "valid_full test_full")):  # fmt: skip
        counts = dict(zip(names.split(), (14100, 3000, 3000)))
        assert somos.published(subset).clips == counts
    assert list(nisqa.PUBLISHED.clips.values()) == [11020, 2700, 240, 240, 232]
    assert list(tmhint_qi.PUBLISHED.clips.values()) == [11644, 1293, 1978]
    assert list(singmos.PUBLISHED.clips.values()) == [2000, 544, 645]


def test_bvcc_leaves_out_the_silent_clip_and_says_so(trees, tmp_path):
    prepare_corpus("bvcc", trees("bvcc"), tmp_path)
    silent = trees("bvcc") / f"main/DATA/wav/{SILENT}.wav"
    assert not soundfile.read(silent)[0].any()
    assert SILENT not in DataDir.load(tmp_path / "train").wavs
    assert findings(tmp_path) == {(SILENT, "known to be silent"): "skipped"}
    assert read_yaml(tmp_path / "corpus.yaml")["findings"] == {"known to be silent": 1}


def test_bvcc_labels_are_those_of_the_list(trees, tmp_path):
    prepare_corpus("bvcc", trees("bvcc"), tmp_path)
    sets = trees("bvcc") / "main/DATA/sets"
    lines = (sets / "test_mos_list.txt").read_text().splitlines()
    expected = {
        name.removesuffix(".wav"): float(mos)
        for name, mos in (line.split(",") for line in lines)
    }
    data = DataDir.load(tmp_path / "test")
    assert data.mos == pytest.approx(expected)
    assert all(utt.split("-")[0] == system for utt, system in data.systems.items())


def test_bvcc_older_layout_has_no_test_set(tmp_path, caplog):
    new = make_miniature("bvcc", tmp_path / "new", seconds=0.2)
    old = make_miniature("bvcc", tmp_path / "old", seconds=0.2, layout="phase1-main")
    prepare_corpus("bvcc", new, tmp_path / "data")
    labels = {s: DataDir.load(tmp_path / "data" / s).mos for s in ("train", "valid")}
    caplog.clear()
    prepare_corpus("bvcc", old, tmp_path / "data")
    for dset, mos in labels.items():
        assert DataDir.load(tmp_path / "data" / dset).mos.keys() == mos.keys()
    # What the newer folder had must not be taken for this one's.
    assert not (tmp_path / "data/test/wav.scp").exists()
    assert "test_mos_list.txt, so no clip; 1066 are published" in caplog.text
    assert old.name in (tmp_path / "data/train/wav.scp").read_text()
    # Any of the folders on the way may be named.
    for part in ("phase1-main", "phase1-main/DATA"):
        prepare_corpus("bvcc", old / part, tmp_path / part)
        assert DataDir.load(tmp_path / part / "train").mos


@pytest.mark.parametrize("corpus", ["bvcc", "bc19", "somos"])
def test_ratings_of_single_listeners(corpus, trees, tmp_path):
    prepare_corpus(corpus, trees(corpus), tmp_path, listeners=True)
    for dset in ("train", "valid", "test"):
        ratings = read_lines(tmp_path / dset / "utt2ratings", ratings_of)
        mos = read_floats(tmp_path / dset / "utt2mos")
        assert ratings.keys() == mos.keys()
        assert {len(r) for r in ratings.values()} == {8}
        for utt, of_utt in ratings.items():
            assert np.mean(list(of_utt.values())) == pytest.approx(mos[utt], abs=1e-3)
            assert set(of_utt.values()) <= {1, 2, 3, 4, 5}
    prepare_corpus(corpus, trees(corpus), tmp_path)
    assert not (tmp_path / "train/utt2ratings").exists()  # not asked for


def test_listener_ids():
    assert listener_id("{}_30-39_bZPQE7w4Zl3g_Female_Valid_1_No") == "bZPQE7w4Zl3g"
    assert listener_id("{}_na_1004_na_na_na_EP") == "1004"
    assert listener_id("{}_na_a_b_na_na_na_EP") == "a_b"
    assert listener_id("1004") == ""


def test_bc19_lists_what_has_no_label(trees, tmp_path):
    prepare_corpus("bc19", trees("bc19"), tmp_path)
    sets = trees("bc19") / "ood/DATA/sets"
    names = (sets / "unlabeled_mos_list.txt").read_text().split()
    kind = "unlabelled as published (unlabeled_mos_list.txt)"
    assert findings(tmp_path) == {(name, kind): "skipped" for name in names}


def test_somos_subsets_have_the_same_clips_and_other_labels(trees, tmp_path):
    for subset in ("clean", "full"):
        cmd = ["--corpus", "somos", "--corpus_dir", str(trees("somos"))]
        cmd += ["--data_dir", str(tmp_path), "--subset", subset]
        assert run(command.main, cmd) == 0
        assert read_yaml(tmp_path / "corpus.yaml")["subset"] == subset
    clean, full = (DataDir.load(tmp_path / d) for d in ("test", "test_full"))
    assert clean.wavs == full.wavs and clean.mos != full.mos
    assert "000" in clean.systems.values()  # natural speech
    utt = next(iter(clean.wavs))
    assert clean.systems[utt] == utt.split("_")[-1]
    assert soundfile.info(clean.wavs[utt]).samplerate == 24000
    table = trees("somos") / "training_files/split1/full/test_mos_list.txt"
    expected = {r["utteranceId"][:-4]: float(r["mean"]) for r in read_csv(table)}
    assert full.mos == pytest.approx(expected)


def test_nisqa_keeps_its_dimensions_and_tells_the_parts_apart(trees, tmp_path):
    prepare_corpus("nisqa", trees("nisqa"), tmp_path)
    for dset in SIZES["nisqa"]:
        data = DataDir.load(tmp_path / dset)
        for name in ("noi", "col", "dis", "loud"):
            assert (
                read_floats(tmp_path / dset / f"utt2{name}").keys() == data.mos.keys()
            )
            values = {u: s[name.upper()] for u, s in data.scores.items()}
            assert values == read_floats(tmp_path / dset / f"utt2{name}")
    train = DataDir.load(tmp_path / "train")
    # The same names and numbers of conditions, in both parts.
    for part in ("SIM", "LIVE"):
        part = f"NISQA_TRAIN_{part}"
        rows = read_csv(trees("nisqa") / part / f"{part}_file.csv")
        noi = read_floats(tmp_path / "train/utt2noi")
        for row in rows:
            utt = f"{part}-{row['filename_deg'][:-4]}"
            assert train.systems[utt] == f"{part}-{row['con']}"
            assert train.mos[utt] == pytest.approx(float(row["mos"]))
            assert noi[utt] == pytest.approx(float(row["noi"]), abs=1e-6)


def test_tmhint_qi_labels_are_means_and_valid_is_a_seeded_tenth(trees, tmp_path):
    for seed in (0, 1):
        prepare_corpus("tmhint_qi", trees("tmhint_qi"), tmp_path / str(seed), seed=seed)
    of: dict[str, list[int]] = {}
    systems = {}
    empty = 0
    for row in read_csv(trees("tmhint_qi") / "raw_data.csv"):
        systems[row["file_name"]] = f"{row['method']}-SNR{row['snr']}-{row['noise']}"
        if row["quality_score"]:
            of.setdefault(row["file_name"], []).append(int(row["quality_score"]))
        empty += not row["quality_score"]
    data = {s: DataDir.load(tmp_path / "0" / s) for s in ("train", "valid", "test")}
    found = {u: m for d in data.values() for u, m in d.mos.items()}
    means = {u: np.mean(scores) for u, scores in of.items()}
    assert found == pytest.approx(means, abs=1e-5)
    assert all(d.systems[u] == systems[u] for d in data.values() for u in d.wavs)
    lines = (tmp_path / "0/skipped.txt").read_text().splitlines()
    assert len(lines) == empty > 0
    assert all("rating of no use" in line for line in lines)
    other = DataDir.load(tmp_path / "1/valid").wavs
    assert other.keys() != data["valid"].wavs.keys() and len(other) == 4
    assert DataDir.load(tmp_path / "1/test").mos == data["test"].mos


def test_singmos_systems(trees, tmp_path):
    prepare_corpus("singmos", trees("singmos"), tmp_path)
    data = DataDir.load(tmp_path / "test")
    for utt, system in data.systems.items():
        assert utt.startswith(f"voicemos2024-track2-{system}-utt")


def test_files_are_words_and_the_same_each_time(trees, tmp_path):
    for run_number in "ab":
        prepare_corpus("nisqa", trees("nisqa"), tmp_path / run_number)
    for path in sorted((tmp_path / "a").rglob("*")):
        if path.is_file() and path.name != ".lock":
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path
    assert read_lines(tmp_path / "a/train/utt2sys", to_word)


def test_miniatures_are_the_same_each_time_and_take_any_speech(tmp_path):
    from made_speech import speech_like

    speech = tmp_path / "speech/ann"
    speech.mkdir(parents=True)
    for i in range(3):
        soundfile.write(speech / f"{i}.wav", speech_like(i, 1.2, 22050), 22050)
    for name in "ab":
        make_miniature("bvcc", tmp_path / name, tmp_path / "speech", seconds=0.5)
    wavs = sorted((tmp_path / "a").rglob("*.wav"))
    assert len(wavs) == 66
    for path in wavs:
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()
    x, rate = soundfile.read(wavs[0])
    assert rate == 16000 and len(x) == 8000
    assert 20 * np.log10(np.sqrt(np.mean(x**2))) == pytest.approx(-26, abs=0.1)
