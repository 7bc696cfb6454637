"""Preparation of the published corpora, on miniatures with their names and traps."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniatures import CORPORA, NISQA_HEADER, SILENT, make_miniature

from espnet2_distilmos.bin import prepare_bvcc as bvcc_command
from espnet2_distilmos.bin import prepare_somos as somos_command
from espnet2_distilmos.corpora import bc19, bvcc, nisqa, singmos, somos, tmhint_qi
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.corpora.voicemos2022 import listener_id
from espnet2_distilmos.corpora.write import Published
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_lines, to_word
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

PREPARE = {
    "bvcc": bvcc.prepare_bvcc,
    "bc19": bc19.prepare_bc19,
    "somos": somos.prepare_somos,
    "nisqa": nisqa.prepare_nisqa,
    "tmhint_qi": tmhint_qi.prepare_tmhint_qi,
    "singmos": singmos.prepare_singmos,
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Function: the miniature of a corpus; not to be changed."""
    top = tmp_path_factory.mktemp("trees")

    def tree(corpus: str) -> Path:
        if not (top / corpus).exists():
            make_miniature(corpus, top / corpus, seconds=0.3)
        return top / corpus

    return tree


@pytest.fixture
def copy_of(trees, tmp_path):
    """Function: a copy of a miniature that may be spoilt."""

    def copy(corpus: str) -> Path:
        return Path(shutil.copytree(trees(corpus), tmp_path / corpus))

    return copy


def read_csv(path: Path) -> list[dict]:
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def findings(data_dir: Path) -> dict[tuple[str, str], str]:
    """skipped.txt: (item, kind) -> skipped or kept."""
    lines = (data_dir / "skipped.txt").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return {(item, kind): state for _, item, state, kind, _ in fields}


def ratings_of(text: str) -> dict[str, float]:
    pairs = [pair.split(":") for pair in text.split(" ")]
    assert len({listener for listener, _ in pairs}) == len(pairs)
    return {listener: float(score) for listener, score in pairs}


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


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_listed_clip_comes_out_with_label_and_system(
    corpus, trees, tmp_path, caplog
):
    PREPARE[corpus](trees(corpus), tmp_path)
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
    wanted = PREPARE[corpus].__globals__.get("PUBLISHED") or somos.published("clean")
    for dset, published in wanted.clips.items():
        n = SIZES[corpus][dset][0] + (corpus == "bvcc" and dset == "train")
        assert f"{dset}: {n} clips, {published} are published" in caplog.text
    counts = read_yaml(tmp_path / "corpus.yaml")["sets"]
    assert {d: (c["clips"], c["systems"]) for d, c in counts.items()} == SIZES[corpus]


@pytest.mark.parametrize("corpus", CORPORA)
def test_strict_is_an_error_where_counts_differ_and_none_where_not(
    corpus, trees, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match=r"are published.*--strict true") as error:
        PREPARE[corpus](trees(corpus), tmp_path, strict=True)
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
    PREPARE[corpus](trees(corpus), tmp_path, strict=True)
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
    bvcc.prepare_bvcc(trees("bvcc"), tmp_path)
    silent = trees("bvcc") / f"main/DATA/wav/{SILENT}.wav"
    assert not soundfile.read(silent)[0].any()
    assert SILENT not in DataDir.load(tmp_path / "train").wavs
    assert findings(tmp_path) == {(SILENT, "known to be silent"): "skipped"}
    assert read_yaml(tmp_path / "corpus.yaml")["findings"] == {"known to be silent": 1}


def test_bvcc_labels_are_those_of_the_list(trees, tmp_path):
    bvcc.prepare_bvcc(trees("bvcc"), tmp_path)
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
    bvcc.prepare_bvcc(new, tmp_path / "data")
    labels = {s: DataDir.load(tmp_path / "data" / s).mos for s in ("train", "valid")}
    caplog.clear()
    bvcc.prepare_bvcc(old, tmp_path / "data")
    for dset, mos in labels.items():
        assert DataDir.load(tmp_path / "data" / dset).mos.keys() == mos.keys()
    # What the newer folder had must not be taken for this one's.
    assert not (tmp_path / "data/test/wav.scp").exists()
    assert "test_mos_list.txt, so no clip; 1066 are published" in caplog.text
    assert old.name in (tmp_path / "data/train/wav.scp").read_text()
    # Any of the folders on the way may be named.
    for part in ("phase1-main", "phase1-main/DATA"):
        bvcc.prepare_bvcc(old / part, tmp_path / part)
        assert DataDir.load(tmp_path / part / "train").mos


@pytest.mark.parametrize("corpus", ["bvcc", "bc19", "somos"])
def test_ratings_of_single_listeners(corpus, trees, tmp_path):
    PREPARE[corpus](trees(corpus), tmp_path, listeners=True)
    for dset in ("train", "valid", "test"):
        ratings = read_lines(tmp_path / dset / "utt2ratings", ratings_of)
        mos = read_floats(tmp_path / dset / "utt2mos")
        assert ratings.keys() == mos.keys()
        assert {len(r) for r in ratings.values()} == {8}
        for utt, of_utt in ratings.items():
            assert np.mean(list(of_utt.values())) == pytest.approx(mos[utt], abs=1e-3)
            assert set(of_utt.values()) <= {1, 2, 3, 4, 5}
    PREPARE[corpus](trees(corpus), tmp_path)
    assert not (tmp_path / "train/utt2ratings").exists()  # not asked for


def test_listener_ids():
    assert listener_id("{}_30-39_bZPQE7w4Zl3g_Female_Valid_1_No") == "bZPQE7w4Zl3g"
    assert listener_id("{}_na_1004_na_na_na_EP") == "1004"
    assert listener_id("{}_na_a_b_na_na_na_EP") == "a_b"
    assert listener_id("1004") == ""


def test_ratings_that_are_odd_are_listed(copy_of, tmp_path):
    tree = copy_of("bvcc")
    path = tree / "main/DATA/sets/TESTSET"
    system, utt, score, rest = path.read_text().splitlines()[0].split(",", 3)
    lines = path.read_text().splitlines(keepends=True)
    lines[0] = f"{system},{utt},{6},{rest}\n"
    lines[8] = lines[9]  # another clip, twice by one listener
    twice = lines[8].split(",")[1].removesuffix(".wav")
    gone = lines[16].split(",")[1]
    path.write_text("".join(x for x in lines if x.split(",")[1] != gone))
    bvcc.prepare_bvcc(tree, tmp_path / "data", listeners=True)
    found = findings(tmp_path / "data")
    assert found[utt.removesuffix(".wav"), "rating of no use"] == "skipped"
    assert found[twice, "rated twice by a listener"] == "kept"
    assert found[gone.removesuffix(".wav"), "no ratings"] == "kept"
    assert len(DataDir.load(tmp_path / "data/test").wavs) == 24
    ratings = read_lines(tmp_path / "data/test/utt2ratings", ratings_of)
    assert len(ratings) == 23 and len(ratings[utt.removesuffix(".wav")]) == 7


def test_listeners_that_would_share_a_name_are_refused(copy_of, tmp_path):
    tree = copy_of("somos")
    path = tree / "training_files/split1/clean/TESTSET"
    lines = path.read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:3], "a b"])
    lines[2] = ",".join([*lines[2].split(",")[:3], "a:b"])
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match="'a b' and 'a:b' would both be called a_b"):
        somos.prepare_somos(tree, tmp_path / "data", listeners=True)


def test_bc19_lists_what_has_no_label(trees, tmp_path):
    bc19.prepare_bc19(trees("bc19"), tmp_path)
    sets = trees("bc19") / "ood/DATA/sets"
    names = (sets / "unlabeled_mos_list.txt").read_text().split()
    kind = "unlabelled as published (unlabeled_mos_list.txt)"
    assert findings(tmp_path) == {(name, kind): "skipped" for name in names}


def test_bc19_without_list_takes_the_means_of_the_ratings(copy_of, tmp_path, caplog):
    caplog.set_level("INFO")
    tree = copy_of("bc19")
    bc19.prepare_bc19(tree, tmp_path / "a")
    (tree / "ood/DATA/sets/test_mos_list.txt").unlink()
    bc19.prepare_bc19(tree, tmp_path / "b")
    a, b = (DataDir.load(tmp_path / x / "test") for x in "ab")
    assert a.mos == b.mos and a.systems == b.systems and len(a.mos) == 22
    assert "labels are the means of TESTSET" in caplog.text


def test_somos_subsets_have_the_same_clips_and_other_labels(trees, tmp_path):
    for subset in ("clean", "full"):
        cmd = ["--corpus_dir", str(trees("somos")), "--data_dir", str(tmp_path)]
        assert run(somos_command.main, [*cmd, "--subset", subset]) == 0
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
    nisqa.prepare_nisqa(trees("nisqa"), tmp_path)
    for dset in SIZES["nisqa"]:
        data = DataDir.load(tmp_path / dset)
        for name in ("noi", "col", "dis", "loud"):
            assert (
                read_floats(tmp_path / dset / f"utt2{name}").keys() == data.mos.keys()
            )
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


def test_nisqa_test_sets_alone_will_do(copy_of, tmp_path, caplog):
    tree = copy_of("nisqa")
    for part in tree.glob("NISQA_[TV][RA]*"):
        shutil.rmtree(part)
    nisqa.prepare_nisqa(tree, tmp_path / "data")
    assert not (tmp_path / "data/train").exists()
    assert len(DataDir.load(tmp_path / "data/test_for").wavs) == 20
    assert "train: no NISQA_TRAIN_SIM or NISQA_TRAIN_LIVE, so no clip" in caplog.text


def test_nisqa_dimension_without_value_is_listed(copy_of, tmp_path):
    tree = copy_of("nisqa")
    path = tree / "NISQA_TEST_FOR/NISQA_TEST_FOR_file.csv"
    rows = read_csv(path)
    rows[0]["loud"] = ""
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, NISQA_HEADER)
        writer.writeheader()
        writer.writerows(rows)
    nisqa.prepare_nisqa(tree, tmp_path / "data")
    utt = f"NISQA_TEST_FOR-{rows[0]['filename_deg'][:-4]}"
    assert findings(tmp_path / "data") == {(utt, "no number as loud"): "kept"}
    assert utt in DataDir.load(tmp_path / "data/test_for").wavs
    assert utt not in read_floats(tmp_path / "data/test_for/utt2loud")
    assert utt in read_floats(tmp_path / "data/test_for/utt2noi")


def test_tmhint_qi_labels_are_means_and_valid_is_a_seeded_tenth(trees, tmp_path):
    for seed in (0, 1):
        tmhint_qi.prepare_tmhint_qi(trees("tmhint_qi"), tmp_path / str(seed), seed)
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
    singmos.prepare_singmos(trees("singmos"), tmp_path)
    data = DataDir.load(tmp_path / "test")
    for utt, system in data.systems.items():
        assert utt.startswith(f"voicemos2024-track2-{system}-utt")


def test_nothing_is_dropped_without_a_word(copy_of, tmp_path, caplog):
    """Every fault that a list or a file can have, each on a clip of its own."""
    tree = copy_of("singmos") / "DATA"
    path = tree / "sets/train_mos_list.txt"
    lines = path.read_text().splitlines()
    names = [line.split(",")[0] for line in lines]
    (tree / f"wav/{names[0]}.wav").unlink()
    (tree / f"wav/{names[1]}.wav").write_bytes(b"RIFF, not really")
    soundfile.write(tree / f"wav/{names[2]}.wav", np.zeros(0), 16000)
    shutil.copy(tree / f"wav/{names[3]}.wav", tree / "wav/stray.wav")
    lines[4] = f"{names[4]},"
    lines[5] = f"{names[5]},five"
    lines[6] = f"{names[6]},5.5"
    lines[7] = f"{names[7]},nan"
    lines.append(lines[8])
    lines.append(f"{names[9]},1.0")
    lines.append("no-system-here,3.0")
    test_line = (tree / "sets/eval_mos_list.txt").read_text().splitlines()[0]
    lines.append(test_line)
    path.write_text("\n".join(["", *lines, ""]))
    singmos.prepare_singmos(tree, tmp_path / "data")
    test_name = test_line.split(",")[0]
    assert findings(tmp_path / "data") == {
        (names[0], "no audio file"): "skipped",
        (names[1], "unreadable audio"): "skipped",
        (names[2], "audio without samples"): "skipped",
        ("stray.wav", "audio without label"): "skipped",
        (names[4], "no label"): "skipped",
        (names[5], "label is no number"): "skipped",
        (names[6], "label outside 1 to 5"): "skipped",
        (names[7], "label is no number"): "skipped",
        (names[8], "listed twice, the same"): "kept",
        (names[9], "listed twice, differently"): "skipped",
        ("no-system-here", "no system"): "skipped",
        (test_name, "in two sets"): "skipped",
    }
    left = DataDir.load(tmp_path / "data/train").wavs
    assert set(left) == set(names) - {names[i] for i in (0, 1, 2, 4, 5, 6, 7, 9)}
    assert test_name in DataDir.load(tmp_path / "data/test").wavs
    # Counted, too.
    kinds = read_yaml(tmp_path / "data/corpus.yaml")["findings"]
    assert sum(kinds.values()) == 12 and kinds["label is no number"] == 2
    assert f"train: {len(left)} clips, 2000 are published" in caplog.text
    text = (tmp_path / "data/skipped.txt").read_text()
    assert f"{path}:6" in text  # where the line with an empty label is


def test_a_set_of_which_nothing_is_left(copy_of, tmp_path):
    tree = copy_of("singmos")
    for line in (tree / "DATA/sets/val_mos_list.txt").read_text().splitlines():
        (tree / f"DATA/wav/{line.split(',')[0]}.wav").unlink()
    with pytest.raises(UserError, match="no clip of valid is left: 12 x no audio file"):
        singmos.prepare_singmos(tree, tmp_path / "data")


@pytest.mark.parametrize(
    "corpus, gone, message",
    [
        ("bvcc", "main/DATA/sets", "none of sets, DATA/sets, main/DATA/sets"),
        ("bvcc", "main/DATA/wav", "run its scripts 01_get.py, 02_gather.py"),
        ("somos", "audios", "unzip .*audios.zip"),
        ("somos", "training_files", "none of training_files/split1/clean"),
        ("tmhint_qi", "raw_data.csv", "none of raw_data.csv, TMHINTQI/raw_data.csv"),
        ("singmos", "DATA", "is it the corpus' folder"),
    ],
)
def test_a_corpus_that_is_not_whole(copy_of, tmp_path, capsys, corpus, gone, message):
    tree = copy_of(corpus)
    if (tree / gone).is_dir():
        shutil.rmtree(tree / gone)
    else:
        (tree / gone).unlink()
    with pytest.raises(UserError, match=message) as error:
        PREPARE[corpus](tree, tmp_path / "data")
    assert "\n" not in str(error.value)


def test_the_command_says_it_in_one_line(tmp_path, capsys):
    assert run(bvcc_command.main, ["--corpus_dir", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    with pytest.raises(SystemExit):
        bvcc_command.main(["--corpus_dir", "x", "--strict", "yes"])


def test_tables(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfx, y\r\n1,"a, b"\r\n\r\n 2 ,c\r\n')
    assert read_table(path, needed=("y",)) == [
        (f"{path}:2", {"x": "1", "y": "a, b"}),
        (f"{path}:4", {"x": "2", "y": "c"}),
    ]
    with pytest.raises(UserError, match="a.csv:1: no column z in the header"):
        read_table(path, needed=("z",))
    path.write_text("a,1\nb\nc,2,3\n")
    with pytest.raises(UserError, match=r"a.csv:2: 2 columns .*found 1; .*:3: "):
        read_table(path, ("name", "mos"))
    path.write_text("\n\n")
    with pytest.raises(UserError, match="has no lines"):
        read_table(path, ("name", "mos"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not a CSV file of UTF-8 text"):
        read_table(path, ("name", "mos"))
    with pytest.raises(UserError, match="cannot be read"):
        read_table(tmp_path / "absent", ("name",))
    assert find_folder(tmp_path, (".",), "a.csv") == tmp_path


def test_files_are_words_and_the_same_each_time(trees, tmp_path):
    for run_number in "ab":
        nisqa.prepare_nisqa(trees("nisqa"), tmp_path / run_number)
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
