"""Statistics of the frozen upstream's states."""

import shutil

import numpy as np
import pytest
import soundfile
import torch

from espnet2_distilmos.model.upstream.adapters import UpstreamAdapter
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.tokens import layer_statistics as module
from espnet2_distilmos.tokens import probe
from espnet2_distilmos.tokens.layer_statistics import (
    LayerStatistics,
    layer_statistics,
    load_all_states,
)
from espnet2_distilmos.tokens.states import batch_states
from espnet2_distilmos.utils.datadir import DataDir, write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml


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
