"""The linear probe as a row of the table, on statistics of layers."""

import shutil

import numpy as np
import pytest

from espnet2_distilmos.bin import score_sets
from espnet2_distilmos.report.rows import reference_rows
from espnet2_distilmos.tokens import probe
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.files import read_yaml


def command(data, rows, *more):
    return [
        *("--data_dirs", str(data / "test"), "--train_dir", str(data / "train")),
        *("--rows_dir", str(rows), "--upstream_config", str(data / "tiny.yaml")),
        *more,
    ]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    rows = tmp_path_factory.mktemp("rows")
    assert run(score_sets.main, command(data, rows)) == 0
    return rows


def test_the_probe_finds_what_the_states_hold(data, made):
    found = {row.name: row for row in reference_rows(made)}
    row = found["linear probe (upstream tiny)"]
    assert row.scores["test"]["utt"]["lcc"]["value"] > 0.95
    assert "upstream tiny" in row.note and "grouped by system" in row.note
    stamp = read_yaml(made / "linear_probe_tiny/row.yaml")
    assert stamp["n_features"] == 2 * 4 * 16 and len(stamp["held_out_mse"]) == 13
    labels = read_floats(data / "test/utt2mos")
    predicted = read_floats(made / "linear_probe_tiny/test/utt2mos")
    assert list(labels) == list(predicted)


def state(folder):
    names = ("utt2mos", "scores.json", "row.yaml", "statistics.npy")
    return {p: p.stat().st_mtime_ns for n in names for p in folder.rglob(n)}


def test_a_second_run_makes_nothing_again(data, made):
    before = state(made)
    assert run(score_sets.main, command(data, made)) == 0
    assert state(made) == before


def test_another_test_set_changes_no_strength(data, made, tmp_path, monkeypatch):
    """Other test labels and clips; the features of the training set are kept."""
    rows, other = tmp_path / "rows", tmp_path / "data"
    shutil.copytree(made, rows)
    shutil.copytree(data, other)
    test = DataDir.load(data / "test").subset([f"test{i:02d}" for i in range(7)])
    test.mos = {utt: 6 - mos for utt, mos in test.mos.items()}
    test.save(other / "test")
    samples = read_floats(data / "test/utt2num_samples")
    write_lines(other / "test/utt2num_samples", {u: int(samples[u]) for u in test.wavs})
    kept = rows / "layer_statistics/tiny/train/statistics.npy"
    before = kept.stat().st_mtime_ns
    assert run(score_sets.main, command(other, rows)) == 0
    old, new = (read_yaml(r / "linear_probe_tiny/row.yaml") for r in (made, rows))
    assert new["request"] != old["request"]
    assert (new["strength"], new["held_out_mse"]) == (
        old["strength"],
        old["held_out_mse"],
    )
    assert kept.stat().st_mtime_ns == before
    values, olds = (
        read_floats(r / "linear_probe_tiny/test/utt2mos") for r in (rows, made)
    )
    assert values == {utt: olds[utt] for utt in values} and len(values) == 7


def test_one_system_works_and_says_so(data, tmp_path, capfd):
    alone = tmp_path / "data"
    shutil.copytree(data, alone)
    utts = read_floats(data / "train/utt2mos")
    write_lines(alone / "train/utt2sys", dict.fromkeys(utts, "only"))
    rows = tmp_path / "rows"
    assert run(score_sets.main, command(alone, rows)) == 0
    found = {row.name: row for row in reference_rows(rows)}
    row = found["linear probe (upstream tiny)"]
    assert "over single clips, since it has no two systems" in row.note
    assert row.scores["test"]["utt"]["lcc"]["value"] > 0.9


def test_a_probe_of_other_clips_does_not_stay_in_the_table(data, made, tmp_path):
    rows = tmp_path / "rows"
    shutil.copytree(made, rows)
    (rows / "linear_probe_tiny").rename(rows / "linear_probe_another")
    # Of the same sets it stays, beside this upstream's or without it.
    plain = [x for x in command(data, rows) if "tiny" not in x]
    plain.remove("--upstream_config")
    assert run(score_sets.main, plain) == 0
    assert (rows / "linear_probe_another/test/scores.json").exists()
    mos = {
        utt: 4.0 + i / 99 for i, utt in enumerate(read_floats(data / "test/utt2mos"))
    }
    write_lines(data / "test/utt2mos.new", mos)
    try:
        (data / "test/utt2mos").rename(data / "test/utt2mos.old")
        (data / "test/utt2mos.new").rename(data / "test/utt2mos")
        assert run(score_sets.main, plain) == 0
    finally:
        (data / "test/utt2mos.old").replace(data / "test/utt2mos")
    assert not (rows / "linear_probe_another").exists()


def test_errors_are_one_line(data, made, tmp_path, capsys):
    rows = tmp_path / "rows"
    shutil.copytree(made, rows)
    (rows / "linear_probe_tiny/row.yaml").unlink()
    file = rows / "layer_statistics/tiny/test/statistics.npy"
    np.save(file, np.load(file)[:3])
    assert run(score_sets.main, command(data, rows)) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert f"{file}: 3 clips, but the set has 16" in line
    assert not (rows / "linear_probe_tiny/row.yaml").exists()
    for args in (["--data_dirs", "x"], ["--data_dirs", "x", "--rows_dir", "y"]):
        with pytest.raises(SystemExit) as end:
            score_sets.main(args)
        assert end.value.code == 2


def test_processes_make_the_same_files(data, made, tmp_path, monkeypatch):
    seen = []
    share = probe._run_in_processes
    monkeypatch.setattr(probe, "_WORTH_A_PROCESS", 1.0)
    monkeypatch.setattr(
        probe, "_run_in_processes", lambda work, nj: seen.append(nj) or share(work, nj)
    )
    assert run(score_sets.main, command(data, tmp_path, "--nj", "2")) == 0
    assert seen == [2]
    for name in ("train", "test"):
        file = f"layer_statistics/tiny/{name}/statistics.npy"
        assert (tmp_path / file).read_bytes() == (made / file).read_bytes()
    file = "linear_probe_tiny/test/utt2mos"
    assert (tmp_path / file).read_bytes() == (made / file).read_bytes()
