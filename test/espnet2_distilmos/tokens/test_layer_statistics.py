"""Statistics of the frozen upstream's states, and the probe that reads them."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet2_distilmos.bin import score_sets
from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.report.rows import reference_rows
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.tokens import layer_statistics as module
from espnet2_distilmos.tokens import probe
from espnet2_distilmos.tokens.layer_statistics import (
    LayerStatistics,
    layer_statistics,
    load_all_states,
)
from espnet2_distilmos.tokens.states import batch_states
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


@pytest.fixture(scope="module")
def conf(wavlm_conf):
    return UpstreamConfig.from_dict(wavlm_conf(), "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory, noise, make_set, conf):
    """Sets whose labels are a linear function of the states, and tiny.yaml."""
    folder = tmp_path_factory.mktemp("data")
    upstream = load_all_states(conf, "cpu")
    for name, n, first in (("train", 48, 0), ("test", 16, 100)):
        clips = {}
        for i in range(n):
            rng = np.random.default_rng(first + i)
            clip = noise(first + i, int(rng.integers(4000, 9000)))
            level = 10 ** rng.uniform(-2, 0)
            clips[f"{name}{i:02d}"] = clip * np.float32(level)
        make_set(folder / name, clips)
        data = DataDir.load(folder / name)
        rows = np.stack([row for _, row in layer_statistics(upstream, data.wavs)])
        # The same direction for both sets: of the first channel of layer 2.
        column = upstream.hidden_size
        data.mos = {
            utt: float(3 + 2 * row[column] + row[-1])
            for utt, row in zip(data.wavs, rows, strict=True)
        }
        data.systems = {utt: f"s{i % 8}" for i, utt in enumerate(data.wavs)}
        data.save(folder / name)
        write_lines(
            folder / name / "utt2num_samples", {u: len(c) for u, c in clips.items()}
        )
    (folder / "tiny.yaml").write_text(yaml.safe_dump(conf.to_dict()))
    return folder


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


def whole(data, conf, folder, **options):
    statistics = LayerStatistics(
        {n: data / n for n in ("train", "test")},
        conf,
        folder,
        shard_seconds=4.0,
        **options,
    )
    return statistics


def test_they_are_mean_and_deviation_of_each_layer(data, conf):
    upstream = load_all_states(conf, "cpu")
    wavs = dict(list(DataDir.load(data / "train").wavs.items())[:3])
    found = dict(layer_statistics(upstream, wavs))
    assert list(found) == list(wavs)
    for utt, path in wavs.items():
        (states,) = batch_states(upstream, [soundfile.read(path, dtype="float32")[0]])
        expected = [s.mean(0) for s in states] + [s.std(0, False) for s in states]
        np.testing.assert_allclose(found[utt], torch.cat(expected), atol=1e-6)
        assert found[utt].dtype == np.float32


def test_long_clips_go_in_parts(data, conf, monkeypatch, tmp_path):
    """Of states that do not depend on what is around, parts make the same."""

    class Local(UpstreamAdapter):
        n_blocks, hidden_size, downsample = 1, 2, 10

        def __init__(self):
            super().__init__(UpstreamConfig("test"))
            self._select_layers()
            self.seen = []

        def _forward_clips(self, clips, pretrained):
            self.seen.append([len(c) for c in clips])
            states = [c.reshape(-1, 10)[:, :2] for c in clips]
            return [torch.nn.utils.rnn.pad_sequence(states, True)], torch.tensor(
                [len(s) for s in states]
            )

    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 1200) + 0.2
    soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
    wavs, upstream = {"a": str(tmp_path / "a.wav")}, Local()
    ((_, at_once),) = layer_statistics(upstream, wavs)
    monkeypatch.setattr(module, "LONGEST", 400)
    ((_, in_parts),) = layer_statistics(upstream, wavs)
    assert upstream.seen == [[1200], [400], [400], [400]]
    np.testing.assert_allclose(in_parts, at_once, atol=1e-6)


def test_layer_0_is_among_them_where_the_family_has_it(conf, monkeypatch):
    class Family:
        layers, has_input_state = (1, 2, 3), True

    monkeypatch.setattr(module, "load_frozen", lambda conf, device: Family())
    assert load_all_states(conf, "cpu").layers == (0, 1, 2, 3)
    Family.has_input_state = False
    assert load_all_states(conf, "cpu").layers == (1, 2, 3)


def test_files_do_not_depend_on_jobs_and_hardly_on_batches(data, conf, tmp_path):
    one, two, batched = (
        whole(data, conf, tmp_path / name, **options)
        for name, options in (("1", {}), ("2", {}), ("b", {"batch_seconds": 3.0}))
    )
    one.run()
    for job in (2, 1):
        two.run(job, 2)
    batched.run()
    for statistics in (one, two, batched):
        statistics.combine()
    for name, n in (("train", 48), ("test", 16)):
        files = [tmp_path / k / name / "statistics.npy" for k in ("1", "2", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()
        arrays = [np.load(f) for f in files]
        assert arrays[0].shape == (n, 2 * 4 * 16) and arrays[0].dtype == np.float32
        np.testing.assert_allclose(arrays[2], arrays[0], atol=1e-4)
        stamp = read_yaml(tmp_path / "1" / name / "statistics.yaml")
        assert stamp["layers"] == [0, 1, 2, 3] and stamp["n_clips"] == n
        assert len(stamp["fingerprint"]["weights_sha256"]) == 64
        assert not (tmp_path / "1" / name / "shards").exists()


def test_what_an_interrupted_run_has_made_is_kept(data, conf, tmp_path, monkeypatch):
    computed = []
    compute = module.layer_statistics

    def broken(upstream, wavs, batches):
        computed.append(sum(map(len, batches)))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return compute(upstream, wavs, batches)

    monkeypatch.setattr(module, "layer_statistics", broken)
    with pytest.raises(KeyboardInterrupt):
        whole(data, conf, tmp_path).run()
    assert not list(tmp_path.rglob("statistics.yaml"))
    with pytest.raises(UserError, match="not whole"):
        whole(data, conf, tmp_path).combine()
    assert not list(tmp_path.glob("*/statistics.npy"))
    first = computed[:2]
    monkeypatch.setattr(
        module, "layer_statistics", lambda *a: computed.append(0) or compute(*a)
    )
    statistics = whole(data, conf, tmp_path)
    n_shards = sum(len(s.shards) for s in statistics.sets)
    statistics.run()
    statistics.combine()
    assert len(computed) == 3 + n_shards - len(first)
    assert len(np.load(tmp_path / "train/statistics.npy")) == 48
    # Whole: nothing is loaded.
    monkeypatch.setattr(module, "load_all_states", None)
    whole(data, conf, tmp_path).run()


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


def test_a_clip_that_a_process_cannot_read_is_named(data, conf, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "_WORTH_A_PROCESS", 1.0)
    broken = tmp_path / "data"
    shutil.copytree(data, broken)
    wavs = DataDir.load(data / "train").wavs
    wavs["train07"] = str(tmp_path / "nowhere.wav")
    write_lines(broken / "train/wav.scp", wavs)
    sets = LabelledSets(broken / "train", [broken / "test"])
    with pytest.raises(UserError, match="nowhere.wav: no such file"):
        probe.write_linear_probe(sets, tmp_path, conf, "tiny", lambda: "cpu")
    assert not (tmp_path / "linear_probe_tiny").exists()


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
