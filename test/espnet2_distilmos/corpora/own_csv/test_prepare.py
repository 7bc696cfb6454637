"""From a CSV of one's own to data directories."""

import csv
from pathlib import Path

import pytest
from own_csv import table, write

from espnet2_distilmos.bin.prepare_csv import main
from espnet2_distilmos.corpora.format_audio import format_audio
from espnet2_distilmos.corpora.own_csv.prepare import prepare_csv, utterance_ids
from espnet2_distilmos.utils.audio import AudioReader
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.labels import Labels


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
