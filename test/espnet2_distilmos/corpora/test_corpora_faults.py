"""What the preparation of the published corpora says of faults in lists and files."""

import csv
import shutil

import numpy as np
import pytest
import soundfile
from corpora_helpers import findings, ratings_of, read_csv
from miniatures import NISQA_HEADER

from espnet2_distilmos.bin import prepare_corpus as command
from espnet2_distilmos.corpora.prepare import prepare_corpus
from espnet2_distilmos.corpora.tables import find_folder, read_table
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, read_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


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
    prepare_corpus("bvcc", tree, tmp_path / "data", listeners=True)
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
        prepare_corpus("somos", tree, tmp_path / "data", listeners=True)


def test_bc19_without_list_takes_the_means_of_the_ratings(copy_of, tmp_path, caplog):
    caplog.set_level("INFO")
    tree = copy_of("bc19")
    prepare_corpus("bc19", tree, tmp_path / "a")
    (tree / "ood/DATA/sets/test_mos_list.txt").unlink()
    prepare_corpus("bc19", tree, tmp_path / "b")
    a, b = (DataDir.load(tmp_path / x / "test") for x in "ab")
    assert a.mos == b.mos and a.systems == b.systems and len(a.mos) == 22
    assert "labels are the means of TESTSET" in caplog.text


def test_nisqa_test_sets_alone_will_do(copy_of, tmp_path, caplog):
    tree = copy_of("nisqa")
    for part in tree.glob("NISQA_[TV][RA]*"):
        shutil.rmtree(part)
    prepare_corpus("nisqa", tree, tmp_path / "data")
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
    prepare_corpus("nisqa", tree, tmp_path / "data")
    utt = f"NISQA_TEST_FOR-{rows[0]['filename_deg'][:-4]}"
    assert findings(tmp_path / "data") == {(utt, "no number as loud"): "kept"}
    assert utt in DataDir.load(tmp_path / "data/test_for").wavs
    assert utt not in read_floats(tmp_path / "data/test_for/utt2loud")
    assert utt in read_floats(tmp_path / "data/test_for/utt2noi")


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
    (tree / f"wav/._{names[3]}.wav").write_bytes(b"\0\5\x16\7" + bytes(200))
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
    prepare_corpus("singmos", tree, tmp_path / "data")
    test_name = test_line.split(",")[0]
    assert findings(tmp_path / "data") == {
        (names[0], "no audio file"): "skipped",
        (names[1], "unreadable audio"): "skipped",
        (names[2], "audio without samples"): "skipped",
        ("stray.wav", "audio without label"): "skipped",
        (f"._{names[3]}.wav", "hidden file, no clip of the corpus"): "skipped",
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
    assert sum(kinds.values()) == 13 and kinds["label is no number"] == 2
    assert f"train: {len(left)} clips, 2000 are published" in caplog.text
    text = (tmp_path / "data/skipped.txt").read_text()
    assert f"{path}:6" in text  # where the line with an empty label is


def test_a_set_of_which_nothing_is_left(copy_of, tmp_path):
    tree = copy_of("singmos")
    for line in (tree / "DATA/sets/val_mos_list.txt").read_text().splitlines():
        (tree / f"DATA/wav/{line.split(',')[0]}.wav").unlink()
    with pytest.raises(UserError, match="no clip of valid is left: 12 x no audio file"):
        prepare_corpus("singmos", tree, tmp_path / "data")


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
        prepare_corpus(corpus, tree, tmp_path / "data")
    assert "\n" not in str(error.value)


def test_the_command_says_it_in_one_line(tmp_path, capsys):
    options = ["--corpus", "nisqa", "--corpus_dir", str(tmp_path)]
    assert run(command.main, options) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    with pytest.raises(SystemExit):
        command.main([*options, "--strict", "yes"])
    assert "--strict: true or false, not 'yes'" in capsys.readouterr().err
    # What another corpus has is not passed over.
    assert run(command.main, [*options, "--subset", "full"]) == 1
    assert capsys.readouterr().err == (
        "error: --subset: nisqa has no such option; leave it out\n"
    )


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
