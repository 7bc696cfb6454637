"""The probe as weights of a readout: what reads the same layers predicts the same."""

import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_trainings import load
from train_options import options

from espnet2_distilmos.bin import fit_probe
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.report.sets import LabelledSets
from espnet2_distilmos.scoring.ridge import fit_ridge
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.tokens import probe_start
from espnet2_distilmos.tokens.probe import write_linear_probe
from espnet2_distilmos.tokens.probe_start import PREFIX, features_of, readout_states
from espnet2_distilmos.utils.audio import read_16k
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats, write_lines
from espnet2_distilmos.utils.files import read_yaml, sha256_file, write_yaml

READOUT = {"hidden_size": 8, "readout": "statistics", "readout_weight": 1.0}


def command(corpus, folder, *more):
    return [
        *("--data_dir", str(corpus.raw / "train")),
        *("--output", str(folder / "probe.pth")),
        *("--features_dir", str(folder / "features"), "--"),
        *("--upstream_config", str(corpus.upstream), *more),
    ]


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    assert run(fit_probe.main, command(corpus, folder)) == 0
    return folder


def network_from(conf, probe):
    network = build_network({**conf, "freeze": True}, "distilmos", READOUT).eval()
    states = {k.removeprefix("network."): v for k, v in load(probe).items()}
    assert set(states) == {k for k in network.state_dict() if ".readout." in k}
    network.load_state_dict(states, strict=False)
    return network


def predict(network, wavs):
    with torch.no_grad():
        clips = [torch.from_numpy(read_16k(path)) for path in wavs.values()]
        return [float(network(c[None], torch.tensor([len(c)])).mos) for c in clips]


def test_a_network_of_the_readout_alone_is_the_probe_of_the_table(corpus, made):
    """Fitted to the same clips: the row that stands beside the model."""
    conf = UpstreamConfig.from_dict(corpus.conf, "test")
    sets = LabelledSets(corpus.raw / "train", [corpus.raw / "valid"])
    write_linear_probe(sets, made / "rows", conf, "tiny", lambda: "cpu")
    row = read_floats(made / "rows/linear_probe_tiny/valid/utt2mos")
    wavs = DataDir.load(corpus.raw / "valid").wavs
    assert read_yaml(made / "probe.yaml")["layers"] == [1, 2, 3]
    # The row has layer 0, too: the same regression of the layers of the training.
    statistics = made / "rows/layer_statistics/tiny"
    layers = read_yaml(statistics / "train/statistics.yaml")["layers"]
    train = DataDir.load(corpus.raw / "train")
    mos, systems = list(train.mos.values()), list(train.systems.values())
    for chosen in ([1, 2, 3], layers):
        features = [
            features_of(statistics / name / "statistics.npy", layers, chosen)
            for name in ("train", "valid")
        ]
        ridge = fit_ridge(features[0], mos, systems)
        expected = ridge.predict(features[1])
        conf = {**corpus.conf, "layers": chosen}
        probe = made / f"{len(chosen)}.pth"
        torch.save(readout_states(ridge, len(chosen), float(np.std(mos))), probe)
        found = predict(network_from(conf, probe), wavs)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        if chosen == layers:
            np.testing.assert_allclose(found, list(row.values()), atol=1e-4)
        else:
            start = load(made / "probe.pth")
            assert all(torch.equal(start[k], v) for k, v in load(probe).items())
    assert np.std(found) > 0.1


def test_layers_are_those_of_the_training_in_its_order(corpus, made, tmp_path):
    rng = np.random.default_rng(0)
    array = rng.standard_normal((5, 2, 3, 4)).astype(np.float32)
    np.save(tmp_path / "statistics.npy", array.reshape(5, -1))
    found = features_of(tmp_path / "statistics.npy", [0, 1, 2], [0, 2])
    np.testing.assert_array_equal(found, array[:, :, [0, 2]].reshape(5, -1))
    for words, layers in (
        (["--upstream_conf", "layers=[0, 2]"], [0, 2]),
        (["--predictor_conf", "readout_layers=[0, 1]"], [0, 1]),
    ):
        assert run(fit_probe.main, command(corpus, tmp_path, *words)) == 0
        stamp = read_yaml(tmp_path / "probe.yaml")
        assert stamp["layers"] == layers and stamp["n_features"] == 2 * 2 * 16
        assert load(tmp_path / "probe.pth")[f"{PREFIX}mean"].shape == (64,)
    assert len(stamp["fingerprint"]["weights_sha256"]) == 64
    assert stamp["sha256"] == sha256_file(tmp_path / "probe.pth")


def test_what_is_current_is_not_made_again(corpus, made, tmp_path, monkeypatch):
    before = (made / "probe.pth").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(probe_start, "keep_statistics", None)
        assert run(fit_probe.main, command(corpus, made)) == 0
    # The same bits once more: a training's record knows the file by its content.
    assert run(fit_probe.main, command(corpus, tmp_path)) == 0
    assert (tmp_path / "probe.pth").read_bytes() == before
    words = ["--seed", "1", *command(corpus, tmp_path)]
    written = (tmp_path / "probe.pth").stat().st_mtime_ns
    assert run(fit_probe.main, words) == 0
    assert (tmp_path / "probe.pth").stat().st_mtime_ns > written


def test_each_scale_has_a_regression_of_the_clips_that_have_a_label(corpus, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(corpus.raw / "train", raw / "train")
    data = DataDir.load(raw / "train")
    utts = list(data.wavs)
    data.scores = {u: {"SIG": 7 - m} for u, m in data.mos.items()}
    for utt in utts[:8]:
        data.scores[utt]["BAK"] = 20.0 * data.mos[utt]
    data.save(raw / "train")
    scales = ["--predictor_conf", "scales=[SIG,BAK]"]
    words = command(SimpleNamespace(raw=raw, upstream=corpus.upstream), tmp_path)
    assert run(fit_probe.main, [*words, *scales]) == 0
    conf = {**READOUT, "scales": ["SIG", "BAK"]}
    network = build_network({**corpus.conf, "freeze": True}, "distilmos", conf).eval()
    states = load(tmp_path / "probe.pth")
    network.load_state_dict(
        {k.removeprefix("network."): v for k, v in states.items()}, strict=False
    )
    wavs = DataDir.load(corpus.raw / "valid").wavs
    clips = [torch.from_numpy(read_16k(path)) for path in wavs.values()]
    with torch.no_grad():
        found = [network(c[None], torch.tensor([len(c)])) for c in clips]
    paths = [
        tmp_path / "features/train/statistics.npy",
        *(tmp_path / "rows" / "layer_statistics/tiny/valid/statistics.npy",),
    ]
    sets = LabelledSets(corpus.raw / "train", [corpus.raw / "valid"])
    parsed = UpstreamConfig.from_dict(corpus.conf, "test")
    write_linear_probe(sets, tmp_path / "rows", parsed, "tiny", lambda: "cpu")
    layers = read_yaml(tmp_path / "features/train/statistics.yaml")["layers"]
    train, valid = (features_of(path, layers, [1, 2, 3]) for path in paths)
    of_set = list(data.systems.values())
    for i, (scale, n) in enumerate((("SIG", 12), ("BAK", 8))):
        labels = [data.scores[utt][scale] for utt in utts[:n]]
        expected = fit_ridge(train[:n], labels, of_set[:n]).predict(valid)
        scores = [float(prediction.scores[0, i]) for prediction in found]
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-3)
        for prediction in found:
            mean = prediction.frame_scores[0, :, i].mean()
            assert float(mean) == pytest.approx(
                float(prediction.scores[0, i]), rel=1e-4
            )
    assert list(read_yaml(tmp_path / "probe.yaml")["request"]["scales"]) == [
        *("SIG", "BAK")
    ]
    # Its MOS is that of a probe without scales.
    assert run(fit_probe.main, command(corpus, tmp_path / "alone")) == 0
    alone = load(tmp_path / "alone/probe.pth")
    assert all(torch.equal(states[name], value) for name, value in alone.items())


def test_a_scale_without_labels_has_no_probe(corpus, tmp_path, capsys):
    scales = ["--predictor_conf", "scales=[SIG]"]
    assert run(fit_probe.main, command(corpus, tmp_path, *scales)) == 1
    assert "train/utt2scores: no such file" in capsys.readouterr().err


def test_errors_are_one_line(corpus, tmp_path, capsys):
    for words, told in (
        (["--upstream_conf", "layers=[1, 9]"], "layer"),
        (["--upstream_config", str(tmp_path / "none.yaml")], "none.yaml"),
    ):
        assert run(fit_probe.main, command(corpus, tmp_path, *words)) == 1
        (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
        assert told in line
        assert not (tmp_path / "probe.pth").exists()
    words = command(corpus, tmp_path)
    assert words[0] == "--data_dir"
    few = tmp_path / "few"
    write_lines(few / "utt2mos", {"a": 3.0})
    words[1] = str(few)
    assert run(fit_probe.main, words) == 1
    told = f"error: {few}/utt2mos: 1 label; the probe is fitted to several\n"
    assert capsys.readouterr().err.endswith(told)
    words[1] = str(tmp_path)
    assert run(fit_probe.main, words) == 1
    assert "utt2mos: no such file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(corpus, made, tmp_path_factory):
    """Two epochs beside the probe of layers 0, 1 and 3, with the tokens of 1 to 3."""
    root = tmp_path_factory.mktemp("readout")
    keys = {"layers": [0, 1, 2, 3], "frozen_layers": 1}
    write_yaml(root / "upstream.yaml", {**corpus.conf, **keys})
    more = ["--upstream_config", str(root / "upstream.yaml")]
    for option in ("readout=statistics", "readout_layers=[0, 1, 3]"):
        more += ["--predictor_conf", option]
    assert run(fit_probe.main, command(corpus, root, *more)) == 0
    cmd = [*options(corpus, root / "exp"), *more]
    cmd += ["--predictor_conf", "target_layers=[1, 2, 3]"]
    cmd += ["--init_param", str(root / "probe.pth")]
    logger = logging.getLogger()
    level = logger.level
    try:
        DistilMOSTask.main(cmd=cmd)
    finally:
        logger.setLevel(level)
    return root


def test_a_training_leaves_the_probe_and_what_it_reads_as_they_are(corpus, trained):
    first, last = load(trained / "probe.pth"), load(trained / "exp/checkpoint.pth")
    states = {k: v for k, v in last["model"].items() if k.startswith(PREFIX)}
    assert states.keys() == first.keys()
    assert all(torch.equal(value, first[name]) for name, value in states.items())
    start = build_network(corpus.conf, "distilmos", {"hidden_size": 8}).state_dict()
    moved = {
        name
        for name, value in start.items()
        if name.startswith("upstream.")
        and not torch.equal(value, last["model"][f"network.{name}"])
    }
    assert moved and all(".layers.1." in x or ".layers.2." in x for x in moved), moved


def test_a_packed_model_scores_as_before(trained, tools):
    exp = trained / "exp"
    clips = [tools.speech(seconds) for seconds in (1.0, 0.3, 2.2)]
    model = DistilMOSInference(None, exp / "valid.srcc.best.pth")
    assert model.network.upstream.pretrained_layers == (0, 1, 3)
    expected = model.score_batch(clips)
    for clip, one in zip(clips, expected):
        assert model(clip)["mos"] == pytest.approx(one["mos"], abs=1e-5)
        assert one["frame_mos"].mean() == pytest.approx(one["mos"], abs=1e-5)
    archive = trained / "packed.zip"
    pack_model(exp / "config.yaml", exp / "valid.srcc.best.pth", archive)
    packed = DistilMOSInference.from_pretrained(str(archive))
    for one, before in zip(packed.score_batch(clips), expected, strict=True):
        assert one["mos"] == pytest.approx(before["mos"], abs=1e-6)
    told = describe_model(str(archive))["layers"]
    assert "0.3 of the score from statistics of 0, 1, 3 as pretrained" in told
    long = packed(tools.speech(45.0))
    assert long["frame_mos"].mean() == pytest.approx(long["mos"], abs=1e-5)
