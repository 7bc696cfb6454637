"""A CSV of one's own: what is read, what is named, and how it is split."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_audio import noise, with_total, written

from espnet2_distilmos.bin.prepare_csv import main
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.corpora.own_csv.prepare import prepare_csv, utterance_ids
from espnet2_distilmos.corpora.own_csv.split import split_rows
from espnet2_distilmos.corpora.own_csv.table import Row, check_audio, read_table
from espnet2_distilmos.utils.audio import AudioReader
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.labels import Labels


@pytest.fixture
def folder(tmp_path):
    """wavs/0.wav to wavs/29.wav, a tenth of a second each."""
    folder = tmp_path / "my test"
    (folder / "wavs").mkdir(parents=True)
    for i in range(30):
        soundfile.write(folder / f"wavs/{i}.wav", np.full(800, 0.1 + 0.01 * i), 8000)
    return folder


def write(folder, text, encoding="utf-8"):
    path = folder / "scores.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table(folder, n=30, header="wav,mos", more=lambda i: ""):
    lines = [f"wavs/{i}.wav,{1 + i % 9 / 2}{more(i)}" for i in range(n)]
    return write(folder, "\n".join([header, *lines]) + "\n")


def read(path):
    """(line, file name, mos, system, split) of all rows; no problems."""
    found = read_table(path)
    assert found.problems == []
    return [(r.line, r.wav.name, r.mos, r.system, r.split) for r in found.rows]


@pytest.mark.parametrize(
    "text, encoding",
    [
        ("wav,mos,system\na.wav,3.5,s 1\nb.wav,4,s2\n", "utf-8"),
        ("wav,mos,system\na.wav,3.5,s 1\nb.wav,4,s2", "utf-8-sig"),
        ("wav,mos,system\r\na.wav,3.5,s 1\r\nb.wav,4,s2\r\n", "utf-8-sig"),
        ("WAV;Mos;System\na.wav;3.5;s 1\nb.wav;4;s2\n", "utf-8"),
        ("wav\tmos\tsystem\na.wav\t3.5\ts 1\nb.wav\t 4\ts2\n", "utf-8"),
        ('"wav", "mos", "system"\n"a.wav", "3.5", "s 1"\n"b.wav", 4 ,s2,,\n', "utf-8"),
        ("mos,system,wav\n3.5,s 1,a.wav\n4,s2,b.wav\n", "utf-8"),
    ],
)  # fmt: skip
def test_the_same_table_written_in_many_ways(tmp_path, text, encoding):
    rows = read(write(tmp_path, text, encoding))
    assert rows == [(2, "a.wav", 3.5, "s 1", None), (3, "b.wav", 4.0, "s2", None)]


def test_lines_are_counted_as_an_editor_does(tmp_path):
    """Blank lines before, between and after; a quoted comma; rows of nothing."""
    text = '\nwav,mos\n\n"a,b.wav",3\n,\n   \nc.wav,2\n\n\n'
    rows = read(write(tmp_path, text))
    assert [r[:2] for r in rows] == [(4, "a,b.wav"), (7, "c.wav")]


def test_splits_have_many_names(tmp_path):
    names = "Train,dev,VALID,val,validation,test,eval,training".split(",")
    lines = [f"{i}.wav,3,{name}" for i, name in enumerate(names)]
    rows = read(write(tmp_path, "\n".join(["wav,mos,split", *lines])))
    assert [r[4] for r in rows] == (
        ["train", "valid", "valid", "valid", "valid", "test", "test", "train"]
    )


def test_every_bad_line_is_named(tmp_path):
    text = """\
wav,mos,system,split
a.wav,n/a,s,train
b.wav,"3,5",s,train
c.wav,3,5,s,train
d.wav,6,s,train
e.wav,0.9,s,train
f.wav,,s,train
,3,s,train
g.wav,3,,train
h.wav,3,s,holdout
i.wav,3,s
j.wav,nan,s,train
k.wav,3,s,train
./k.wav,3,s,train
"""
    found = read_table(write(tmp_path, text))
    assert [r.wav.name for r in found.rows] == ["k.wav"]
    expected = {
        2: "'n/a' is not a number",
        3: "'3,5' is not a number",
        4: "5 fields, the header has 4; 3,5 is written 3.5",
        5: "score 6 is outside the scale, 1 to 5",
        6: "score 0.9 is outside the scale",
        7: "no mos",
        8: "no wav",
        9: "no system",
        10: "split 'holdout' is none of train, valid, test",
        11: "3 fields, the header has 4",
        12: "'nan' is not a finite number",
        14: "k.wav is on line 13 already",
    }
    assert [line for line, _ in found.problems] == list(expected)
    for line, text in found.problems:
        assert expected[line] in text


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "wav and mos not found in: an empty file"),
        ("a.wav,3.2\n", "the first line must name the columns.*not found in: a.wav"),
        ("file,mos\na.wav,3\n", "wav not found in: file, mos"),
        ("wav,mos,MOS\na.wav,3,3\n", "two columns are called mos"),
        ("wav,mos\n\n", "has a header and no clips"),
        ('wav,mos\na.wav,3\n"b.wav,3\nc.wav,3\n', "scores.csv:3: .*a quote left open"),
    ],
)
def test_what_is_no_such_table(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_table(write(tmp_path, text))


def test_other_encodings_and_no_file(tmp_path):
    with pytest.raises(UserError, match="scores.csv:2: not UTF-8 text; save it as"):
        read_table(write(tmp_path, "wav,mos\ncafé.wav,3\n", "latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_table(write(tmp_path, "wav,mos\na.wav,3\n", "utf-16"))
    with pytest.raises(UserError, match="none.csv: cannot be read"):
        read_table(tmp_path / "none.csv")


def test_audio_is_read(folder):
    (folder / "wavs/1.wav").write_text("no audio")
    soundfile.write(folder / "wavs/2.wav", np.zeros(0), 16000)
    soundfile.write(folder / "wavs/3.wav", np.zeros(100), 16000)
    (folder / "wavs/4.wav").unlink()
    found = read_table(table(folder, 6))
    seconds = check_audio(found)
    assert [r.wav.name for r in found.rows] == ["0.wav", "5.wav"]
    assert seconds[found.rows[0].wav] == pytest.approx(0.1)
    problems = dict(found.problems)
    assert "1.wav: cannot be read as audio" in problems[3]
    assert "2.wav: holds no samples" in problems[4]
    assert "3.wav: 0.006 s is too short" in problems[5]
    assert "4.wav: no such file" in problems[6]


def test_audio_is_read_to_its_end(folder):
    """Unknown lengths, joined sounds, channels that cancel; a rate of 1 Hz is bad."""
    noisy = noise(0.5)
    flac = written(folder / "wavs/0.wav", noisy, format="FLAC")
    (folder / "wavs/0.wav").write_bytes(with_total(flac, 0))
    (folder / "wavs/1.wav").write_bytes(flac * 2)
    written(folder / "wavs/2.wav", noisy * np.float32([1, -1]))
    wav = bytearray(written(folder / "wavs/3.wav", noisy))
    wav[24:28] = (1).to_bytes(4, "little")
    (folder / "wavs/3.wav").write_bytes(wav)
    found = read_table(table(folder, 6))
    seconds = check_audio(found)
    assert [seconds[row.wav] for row in found.rows[:3]] == [0.5, 1.0, 0.5]
    # The fixture's own clips are of one value.
    (line, text), (other, silent), *constant = found.odd
    assert (line, other) == (3, 4)
    assert text.endswith("1.wav: 2 sounds joined in one file, read one by one")
    assert "the channels cancel each other" in silent
    assert [line for line, text in constant if "a constant value" in text] == [6, 7]
    assert "3.wav: a sampling rate of 1 Hz" in dict(found.problems)[5]


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


def test_ids(tmp_path):
    names = ["a/1.wav", "a/1.flac", "a 1.wav", "é/ü.wav", "b/../c.wav"]
    wavs = [(tmp_path / n).resolve() for n in names]
    outside = tmp_path.parent / "out side.wav"
    ids = utterance_ids([*wavs, outside], tmp_path)
    assert [ids[w] for w in wavs] == ["a_1-3", "a_1-2", "a_1", "é_ü", "c"]
    assert ids[outside].endswith("out_side") and " " not in ids[outside]
    assert utterance_ids([outside, *wavs[::-1]], tmp_path) == ids


def test_from_csv_to_data_dirs(folder, tmp_path, caplog):
    path = table(folder, header="wav,mos,system,note", more=lambda i: f",sys {i % 3},x")
    caplog.set_level("INFO")
    data = tmp_path / "data"
    main(["--csv", str(path), "--data_dir", str(data)])
    sets = {n: DataDir.load(data / n) for n in ("train", "valid", "test")}
    assert [len(d.wavs) for d in sets.values()] == [20, 5, 5]
    by_id = {u: (d, u) for d in sets.values() for u in d.wavs}
    assert len(by_id) == 30
    d, utt = by_id["wavs_7"]
    assert d.wavs[utt] == str(folder / "wavs/7.wav")
    assert (d.mos[utt], d.systems[utt]) == (1 + 7 / 2, "sys_1")
    report = (data / "csv_report.txt").read_text().splitlines()
    assert report[0].endswith("30 clips, 0.1 min, scores 1 to 5 on a scale of 1 to 5")
    assert "Columns that were not used: note." in report
    assert any("3 systems are too few" in line for line in report)
    assert "valid has only 5 clips" in "".join(report)
    # Three systems: no five folds of them.
    assert report[-1] == (
        "Under 100 test clips figures say little: ./run.sh --folds 5 --fold_by clip "
        "tests on all 30, by 5 trainings (doc/your_corpus.md)."
    )
    assert all(line in caplog.text for line in report)
    assert (data / "csv_problems.txt").read_text() == ""
    assert "3 of 3 systems are in train" in read_yaml(data / "set_notes.yaml")["test"]
    # Again: nothing is made, and the same is told.
    before = (data / "train/wav.scp").stat().st_mtime_ns
    main(["--csv", str(path), "--data_dir", str(data)])
    assert (data / "train/wav.scp").stat().st_mtime_ns == before
    # Systems of the earlier run are gone, and audio that changed is seen.
    table(folder)
    main(["--csv", str(path), "--data_dir", str(data)])
    assert DataDir.load(data / "train").systems is None
    (folder / "wavs/3.wav").write_text("no audio")
    with pytest.raises(UserError, match="1 bad line, 29 good ones: line 5"):
        main(["--csv", str(path), "--data_dir", str(data)])


def test_bad_lines_stop_or_are_left_out(folder, tmp_path, caplog):
    lines = [f"wavs/{i}.wav,{1 + i % 5 if i % 4 else 'x'}" for i in range(30)]
    path = write(folder, "\n".join(["wav,mos", *lines]))
    data = tmp_path / "data"
    with pytest.raises(UserError) as error:
        prepare_csv(path, data)
    message = str(error.value)
    assert "8 bad lines, 22 good ones: line 2: 'x' is not a number" in message
    assert "line 18:" in message and "line 22:" not in message
    assert "and 3 more (all in " in message and "--skip_bad true" in message
    assert "\n" not in message
    assert len((data / "csv_problems.txt").read_text().splitlines()) == 8
    assert not (data / "train").exists()
    told = prepare_csv(path, data, skip_bad=True)
    assert "8 lines were left out (csv_problems.txt)." in told
    assert caplog.text.count("left out: ") == 8
    assert (
        sum(len(DataDir.load(data / n).wavs) for n in ("train", "valid", "test")) == 22
    )


def test_what_the_scores_are_is_recorded_and_never_guessed(folder, tmp_path, caplog):
    path = table(folder)
    caplog.set_level("INFO")
    data = tmp_path / "data"
    command = ["--csv", str(path), "--data_dir", str(data), "--scale", "0,10"]
    main(command)
    for name in ("train", "valid", "test"):
        (info,) = Labels.beside(data / name).infos
        assert (info.corpus, info.kind, info.name) == (path.stem, "not stated", "")
        assert info.scale == (0, 10)
    assert (
        "What the scores are was not stated; tables and models will say" in caplog.text
    )
    assert "--label_kind human, objective or predicted" in caplog.text
    main([*command, "--label_kind", "human", "--corpus", "mine"])
    (info,) = Labels.beside(data / "train").infos
    assert (info.corpus, info.kind, info.name) == ("mine", "human", "MOS")
    pesq = [
        "--label_kind",
        "objective",
        "--label_name",
        "PESQ",
        "--label_licence",
        "CC0",
    ]
    main([*command, *pesq])
    (info,) = Labels.beside(data / "test").infos
    assert (info.kind, info.name, info.licence) == ("objective", "PESQ", "CC0")
    report = (data / "csv_report.txt").read_text()
    assert "Labels: PESQ (objective; scale 0 to 10), not human ratings.\n" in report
    with pytest.raises(SystemExit):
        main([*command, "--label_kind", "MOS"])


def test_scale(folder, tmp_path):
    lines = [f"wavs/{i}.wav,{10 * (i % 10)}" for i in range(30)]
    path = write(folder, "\n".join(["wav,mos", *lines]))
    with pytest.raises(UserError, match="score 0 is outside the scale, 1 to 5"):
        prepare_csv(path, tmp_path)
    main(["--csv", str(path), "--data_dir", str(tmp_path), "--scale", "0,100"])
    assert max(DataDir.load(tmp_path / "train").mos.values()) > 50
    with pytest.raises(UserError, match="5 is not below 1"):
        prepare_csv(path, tmp_path, scale=(5, 1))
    with pytest.raises(SystemExit):
        main(["--csv", str(path), "--scale", "0 100"])


def test_systems_that_would_become_one(folder, tmp_path):
    path = table(
        folder, header="wav,mos,system", more=lambda i: ",a" + " _"[i % 2] + "b"
    )
    with pytest.raises(UserError, match="'a b' and 'a_b' would both be written a_b"):
        prepare_csv(path, tmp_path)


def test_the_csv_is_what_pythons_csv_writes(folder, tmp_path):
    """A name with everything in it survives the way through the data directory."""
    name = 'a "quoted", long; näme.wav'
    (folder / "wavs/0.wav").rename(folder / name)
    with open(folder / "scores.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(["wav", "mos"])
        for i in range(30):
            writer.writerow([name if i == 0 else f"wavs/{i}.wav", 1 + i % 4])
    prepare_csv(folder / "scores.csv", tmp_path)
    wavs = {}
    for dset in ("train", "valid", "test"):
        wavs.update(DataDir.load(tmp_path / dset).wavs)
    assert str(folder / name) in wavs.values()


def test_preparing_opens_a_file_once_and_so_does_formatting(
    folder, tmp_path, monkeypatch
):
    """And neither does where nothing has changed."""
    opened = []
    init = AudioReader.__init__

    def counted(reader, path, *args):
        opened.append(Path(path).name)
        init(reader, path, *args)

    monkeypatch.setattr(AudioReader, "__init__", counted)
    every = sorted(f"{i}.wav" for i in range(30))
    for expected in (every, []):
        opened.clear()
        prepare_csv(table(folder), tmp_path / "data")
        assert sorted(opened) == expected
        opened.clear()
        for dset in ("train", "valid", "test"):
            format_audio(tmp_path / "data" / dset, tmp_path / "raw" / dset)
        assert sorted(opened) == expected
