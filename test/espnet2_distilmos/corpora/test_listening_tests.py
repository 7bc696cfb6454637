"""Preparation of the listening tests P.835 and MUSHRA."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from corpora_helpers import findings, ratings_of, read_csv
from listening_tests import CODECS, P835_HEADER, SHEETS, workbook

from espnet2_distilmos.bin import prepare_corpus as command
from espnet2_distilmos.corpora import codec_mushra, p835
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.corpora.prepare import prepare_corpus
from espnet2_distilmos.corpora.workbook import read_sheets
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

TABLE = "mushra_results_dataset/ratings_formated.csv"
BOOK = "p835_reference_conditions/CSP835_Ref_Conditions.xlsx"
FULL, WIDE = SHEETS


def p835_rows(tree):
    """Sheet -> rows of text, the header first."""
    found = read_sheets(tree / BOOK, (), list(SHEETS))
    return {
        sheet: [P835_HEADER, *([row[c] for c in P835_HEADER] for _, row in rows)]
        for sheet, rows in found.items()
    }


def column(name):
    return P835_HEADER.index(name)


def sets_of(folder, names):
    return {name: DataDir.load(folder / name) for name in names.split()}


def test_published_counts_are_those_of_the_repositories():
    assert p835.PUBLISHED.clips["all"] == 156 and p835.PUBLISHED.systems["all"] == 13
    clips = codec_mushra.PUBLISHED.clips
    assert clips["all"] == 128 == sum(clips[s] for s in ("train", "valid", "test"))


@pytest.mark.parametrize("module", [p835, codec_mushra], ids=lambda m: m.__name__[25:])
def test_strict_counts_the_sets_that_are_made_too(module, trees, tmp_path):
    corpus = module.__name__.rpartition(".")[2]
    with pytest.raises(UserError, match="train: .* are published.*test: .*--strict"):
        prepare_corpus(corpus, trees(corpus), tmp_path, strict=True)
    assert not list(tmp_path.glob("*/wav.scp"))


@pytest.mark.parametrize("module", [p835, codec_mushra], ids=lambda m: m.__name__[25:])
def test_splits_share_no_condition(module):
    sets = [module.SPLIT[s] for s in ("train", "valid", "test")]
    together = [system for of_set in sets for system in of_set]
    assert len(together) == len(set(together))
    assert len(together) == max(module.PUBLISHED.systems.values())


def test_p835_sets(trees, tmp_path):
    prepare_corpus("p835", trees("p835"), tmp_path)
    data = sets_of(tmp_path, "fullband wideband all train valid test")
    n_clips = {name: len(d.wavs) for name, d in data.items()}
    assert n_clips == {
        **{"fullband": 26, "wideband": 26, "all": 52},
        **{"train": 28, "valid": 8, "test": 16},
    }
    parts = [set(data[s].wavs) for s in ("train", "valid", "test")]
    assert set.union(*parts) == set(data["all"].wavs) and sum(map(len, parts)) == 52
    rows = p835_rows(trees("p835"))[WIDE][1:]
    wide = data["wideband"]
    for name, bak, sig, ovrl in (
        (r[column("short_file_name")][:-4], *(float(r[i]) for i in (4, 7, 10)))
        for r in rows
    ):
        utt = f"wideband-{name}"
        assert wide.mos[utt] == pytest.approx(ovrl, abs=1e-6)
        assert [wide.systems[utt], wide.speakers[utt]] == name.split("_")
        for kind, value in (("bak", bak), ("sig", sig), ("votes", 7)):
            found = read_floats(tmp_path / "wideband" / f"utt2{kind}")
            assert found[utt] == pytest.approx(value, abs=1e-6)
    # A condition is one system in both bands: neither teaches what the other asks.
    assert set(data["fullband"].systems.values()) == set(wide.systems.values())


def test_p835_files_of_another_rate_come_out_alike(trees, tmp_path):
    """c0 of the wide band is 48 kHz, and is the clip of the full band."""
    prepare_corpus("p835", trees("p835"), tmp_path / "data")
    format_audio(tmp_path / "data/wideband", tmp_path / "raw")
    given = DataDir.load(tmp_path / "data/wideband").wavs
    rates = {utt: soundfile.info(path).samplerate for utt, path in given.items()}
    assert {u for u, rate in rates.items() if rate == 48000} == {
        "wideband-c0_f1", "wideband-c0_m1"
    }  # fmt: skip
    for path in DataDir.load(tmp_path / "raw").wavs.values():
        assert soundfile.info(path).samplerate == 16000


def test_p835_traps_are_told(copy_of, tmp_path):
    tree = copy_of("p835")
    rows = p835_rows(tree)
    wide = rows[WIDE]
    wide.append(list(wide[1]))  # twice, the same
    wide.append([*wide[2][:10], "1.5", *wide[2][11:]])  # twice, not the same
    wide[3][column("condition_num")] = "5"  # of c1_f1
    wide[4][column("MOS_OVRL")] = "5.5"
    wide[5][column("MOS_SIG")] = ""
    wide[6][column("MOS_BAK")] = "5.7"  # of c2_m1
    wide.append(["", "c13_f1.wav", "13", "7", *wide[1][4:]])  # in no split
    audio = tree / BOOK.split("/")[0] / "degraded_WB_16KHz"
    shutil.copy(audio / "c3_f1.wav", audio / "c13_f1.wav")
    shutil.copy(audio / "c3_f1.wav", audio / "stray.wav")
    (audio / "c12_m1.wav").unlink()
    (tree / BOOK).write_bytes(workbook(rows))
    prepare_corpus("p835", tree / BOOK.split("/")[0], tmp_path / "data")
    assert findings(tmp_path / "data") == {
        ("wideband-c0_f1", "listed twice, the same"): "kept",
        ("wideband-c0_m1", "listed twice, differently"): "skipped",
        ("wideband-c1_f1", "condition is not that of the name"): "skipped",
        ("c1_f1.wav", "audio without label"): "skipped",
        ("wideband-c1_m1", "label outside 1 to 5"): "skipped",
        ("wideband-c2_f1", "no number as sig"): "kept",
        ("wideband-c2_m1", "bak outside 1 to 5"): "kept",
        ("wideband-c12_m1", "no audio file"): "skipped",
        ("stray.wav", "audio without label"): "skipped",
        ("wideband-c13_f1", "system in none of all, train, valid, test"): "kept",
    }
    data = sets_of(tmp_path / "data", "wideband all")
    assert "wideband-c13_f1" in data["wideband"].wavs
    assert "wideband-c13_f1" not in data["all"].wavs
    scores = data["wideband"].scores  # without those that are of no use
    assert list(scores["wideband-c2_f1"]) == ["BAK"]
    assert list(scores["wideband-c2_m1"]) == ["SIG"]
    assert list(scores["wideband-c4_m1"]) == ["SIG", "BAK"]


def test_p835_scales(trees, tmp_path):
    """Signal and background, as files of their own and as scales."""
    prepare_corpus("p835", trees("p835"), tmp_path)
    data = DataDir.load(tmp_path / "all")
    for scale, name in (("SIG", "utt2sig"), ("BAK", "utt2bak")):
        values = {utt: of_clip[scale] for utt, of_clip in data.scores.items()}
        assert values == read_floats(tmp_path / "all" / name) and len(values) == 52


def test_p835_without_a_sheet_or_a_column(copy_of, tmp_path, caplog):
    tree = copy_of("p835")
    rows = p835_rows(tree)
    (tree / BOOK).write_bytes(workbook({WIDE: rows[WIDE]}))
    prepare_corpus("p835", tree, tmp_path / "data")
    assert f"fullband: no {tree / BOOK}, sheet '{FULL}', so no clip" in caplog.text
    assert len(DataDir.load(tmp_path / "data/all").wavs) == 26
    (tree / BOOK).write_bytes(workbook({"other": rows[WIDE]}))
    with pytest.raises(UserError, match="sheet 'Fullband-results per file'.*is there"):
        prepare_corpus("p835", tree, tmp_path / "data")
    rows[FULL][0] = [name.replace("OVRL", "ALL") for name in P835_HEADER]
    (tree / BOOK).write_bytes(workbook(rows))
    with pytest.raises(UserError, match=f"{FULL}:1: no column MOS_OVRL in the header"):
        prepare_corpus("p835", tree, tmp_path / "data")
    (tree / BOOK).unlink()
    with pytest.raises(UserError, match="is it the corpus' folder"):
        prepare_corpus("p835", tree, tmp_path / "data")


def test_codec_mushra_sets_and_listeners(trees, tmp_path):
    tree = trees("codec_mushra")
    cmd = ["--corpus", "codec_mushra", "--corpus_dir", str(tree)]
    assert (
        run(command.main, [*cmd, "--data_dir", str(tmp_path), "--listeners=true"]) == 0
    )
    data = sets_of(tmp_path, "all train valid test")
    assert {n: len(d.wavs) for n, d in data.items()} == {
        "all": 24, "train": 12, "valid": 6, "test": 6
    }  # fmt: skip
    rows = {r["file"][:-4].replace("/", "-"): r for r in read_csv(tree / TABLE)}
    anchors = [u for u, r in rows.items() if not r["file"]]
    assert anchors == [""] and len(rows) == 25  # three lines without file
    for name in data:
        ratings = read_lines(tmp_path / name / "utt2ratings", ratings_of)
        assert ratings.keys() == data[name].wavs.keys()
        for utt, own in ratings.items():
            row = rows[utt]
            given = zip(*(json.loads(row[c]) for c in ("participant_ids", "ratings")))
            assert own == {str(who): score for who, score in given}
            mean = np.mean(list(own.values()))
            assert data[name].mos[utt] == pytest.approx(mean, abs=1e-6)
            assert data[name].systems[utt] == row["condition"].replace(" ", "_")
    assert max(data["all"].mos.values()) > 5  # on its own scale
    speakers = {u.split("-")[0]: s for u, s in data["all"].speakers.items()}
    assert speakers == {
        "stim_01": "VCTK_p229",
        "stim_02": "TSP_FB",
        "stim_03": "TSP_MG",
    }
    # Hidden references are a condition, anchors are counted.
    assert "Reference" in data["train"].systems.values()
    counts = read_yaml(tmp_path / "corpus.yaml")["findings"]
    assert counts == {codec_mushra.NO_AUDIO: 3}
    prepare_corpus("codec_mushra", tree, tmp_path)
    assert not list(tmp_path.glob("*/utt2ratings"))  # not asked for


def test_codec_mushra_channels_are_averaged(trees, tmp_path):
    prepare_corpus("codec_mushra", trees("codec_mushra"), tmp_path / "data")
    source = DataDir.load(tmp_path / "data/test").wavs
    assert all(soundfile.info(path).channels == 2 for path in source.values())
    format_audio(tmp_path / "data/test", tmp_path / "raw")
    for path in DataDir.load(tmp_path / "raw").wavs.values():
        info = soundfile.info(path)
        assert (info.channels, info.samplerate) == (1, 16000)


def test_codec_mushra_traps_are_told(copy_of, tmp_path):
    tree = copy_of("codec_mushra")
    lines = (tree / TABLE).read_text().splitlines()
    of = {name: i for i, name in enumerate(CODECS, 1)}  # lines of the first stimulus
    header = lines[0].split(",")

    def change(condition, **fields):
        row = read_csv(tree / TABLE)[of[condition] - 1] | fields
        lines[of[condition]] = ",".join(f'"{row[c]}"' for c in header)

    change("Lyra 3", ratings="[10, 20, 101, -1]")
    change("Lyra 6", ratings="[10, 20]")
    change("AudioDec", ratings="ten, twenty")
    change("Reference", ratings="[NaN, null, 1e999, 90.5]")
    change("Proposed 5.51", file="")
    lines.append(lines[of["Proposed 1.38"]])
    change("Proposed 1.38 16kHz", ratings="[0, 0, 0, 100]")
    lines.append(lines[of["Proposed 1.38 16kHz"]].replace("[0, 0,", "[9, 0,"))
    audio = tree / "mushra_results_dataset/audio/stim_01"
    (audio / "prop_55_16k.wav").unlink()
    (tree / TABLE).write_text("\n".join(lines) + "\n")
    prepare_corpus("codec_mushra", tree, tmp_path / "data", listeners=True)
    found = findings(tmp_path / "data")
    assert {k: v for k, v in found.items() if k[1] != codec_mushra.NO_AUDIO} == {
        ("stim_01-lyra_32", "rating of no use"): "skipped",
        ("stim_01-lyra_6", "ratings of no use"): "skipped",
        ("stim_01-lyra_6", "no label"): "skipped",
        ("stim_01-audiodec_8", "ratings of no use"): "skipped",
        ("stim_01-audiodec_8", "no label"): "skipped",
        ("stim_01-ref", "rating of no use"): "skipped",
        ("VCTK_p229_293-Proposed_5.51", "no audio file is named"): "skipped",
        ("prop_55.wav", "audio without label"): "skipped",
        ("stim_01-prop_13", "listed twice, the same"): "kept",
        ("stim_01-prop_13_16k", "listed twice, differently"): "skipped",
        ("stim_01-prop_55_16k", "no audio file"): "skipped",
    }
    counts = read_yaml(tmp_path / "data/corpus.yaml")["findings"]
    assert counts["rating of no use"] == 2 + 3
    mos = DataDir.load(tmp_path / "data/all").mos
    assert mos["stim_01-lyra_32"] == 15 and mos["stim_01-ref"] == 90.5
    # A line that is there twice gives no listener two ratings.
    ratings = read_lines(tmp_path / "data/all/utt2ratings", ratings_of)
    assert len(ratings["stim_01-prop_13"]) == 4
