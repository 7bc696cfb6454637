"""A readout of human ratings: what changes in a model, and predictions out of fold."""

import numpy as np
import pytest
import tiny_upstreams
import torch
import yaml

from espnet2_distilmos.bin.format_audio import main as format_audio
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.model.network import build_network
from espnet2_distilmos.utils.command import run
from espnet2_distilmos.utils.datadir import DataDir, read_floats
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels
from mini_mos.bin import rate_tiny_mos


@pytest.fixture(scope="module")
def made(tmp_path_factory, noise, make_set):
    """A model, rated clips whose label is their loudness, and further ones."""
    root = tmp_path_factory.mktemp("rate")
    conf = {**tiny_upstreams.make("hf_whisper", root, "pre"), "frozen_layers": 1}
    predictor = {"hidden_size": 8, "decoder": "linear", "kernels": [], "strides": []}
    predictor.update(readout="statistics", readout_layers=[0, 1, 2])
    network = build_network(conf, "distilmos", predictor)
    states = {f"network.{k}": v for k, v in network.state_dict().items()}
    torch.save(states, root / "model.pth")
    info = LabelInfo("predicted", "predicted", "MOS", licence="free")
    config = {"upstream_conf": conf, "predictor": "distilmos"}
    config.update(predictor_conf=predictor, label_conf=Labels((info,)).as_list())
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    for name, n in (("human", 30), ("voices", 12)):
        levels = {f"{name}{i:02d}": 0.05 + 0.9 * (i * 7 % n) / n for i in range(n)}
        clips = {u: noise(i, 4800) * x for i, (u, x) in enumerate(levels.items())}
        mos = {u: 1 + 4 * x for u, x in levels.items()}
        systems = {u: f"s{i % 6}" for i, u in enumerate(levels)}
        folder = make_set(root / "data" / name, clips, mos=mos, systems=systems)
        Labels((LabelInfo(name, "human", "MOS"),)).write(folder / "labels.yaml")
        words = ["--data_dirs", str(folder), "--output_dir", str(root / "raw")]
        assert run(format_audio, words) == 0
    return root


def command(root, output, *more):
    return [
        *("--model_file", str(root / "model.pth"), "--output_dir", str(root / output)),
        *("--data_dir", str(root / "raw/human"), "--folds", "3", *more),
        *("--features_dir", str(root / "features")),
    ]


def test_only_the_readout_and_its_share_change(made):
    more = ("--train_dirs", str(made / "raw/voices"))
    assert run(rate_tiny_mos.main, command(made, "out", *more)) == 0
    before = torch.load(made / "model.pth", weights_only=True)
    after = torch.load(made / "out/model.pth", weights_only=True)
    assert before.keys() == after.keys()
    for name, value in before.items():
        changed = not torch.equal(value, after[name])
        assert not changed or ".readout." in name
    assert not torch.equal(
        *(s["network.predictor.readout.output.weight"] for s in (before, after))
    )
    config = yaml.safe_load((made / "out/config.yaml").read_text())
    assert config["predictor_conf"]["readout_weight"] == 0.7
    assert [x["corpus"] for x in config["label_conf"]] == ["human", "predicted"]
    # Again: nothing is made; with another share, all is.
    time = (made / "out/model.pth").stat().st_mtime_ns
    assert run(rate_tiny_mos.main, command(made, "out", *more)) == 0
    assert (made / "out/model.pth").stat().st_mtime_ns == time
    assert run(rate_tiny_mos.main, command(made, "out", *more, "--weight", "0.6")) == 0
    assert (made / "out/model.pth").stat().st_mtime_ns != time


def test_each_clip_is_predicted_by_a_probe_that_heard_none_of_its_system(made):
    assert run(rate_tiny_mos.main, command(made, "alone", "--weight", "1")) == 0
    data = DataDir.load(made / "raw/human")
    found = read_floats(made / "alone/out_of_fold/utt2mos")
    probe = read_floats(made / "alone/out_of_fold/probe/utt2mos")
    assert list(found) == list(probe) == list(data.wavs)
    # With a share of 1 the model is its probe.
    assert max(abs(found[u] - probe[u]) for u in found) < 2e-3
    values = np.array([[found[u], data.mos[u]] for u in found])
    assert np.corrcoef(values.T)[0, 1] > 0.8  # loudness is easy
    # The fold that tests a clip is the one whose model says what is written.
    heard = {}
    for i in (1, 2, 3):
        place = made / f"alone/fold{i}"
        engine = DistilMOSInference(place / "config.yaml", place / "model.pth")
        scores = [r["mos"] for r in engine.score_files(list(data.wavs.values()))]
        for utt, score in zip(data.wavs, scores):
            if abs(score - found[utt]) < 1e-5:
                heard.setdefault(data.systems[utt], set()).add(i)
    assert all(len(folds) == 1 for folds in heard.values()) and len(heard) == 6


def test_what_cannot_be_is_one_line(made, tmp_path, capsys):
    (tmp_path / "model.pth").write_bytes((made / "model.pth").read_bytes())
    config = yaml.safe_load((made / "config.yaml").read_text())
    words = command(made, "none")
    words[1] = str(tmp_path / "model.pth")
    del config["predictor_conf"]["readout"], config["predictor_conf"]["readout_layers"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert run(rate_tiny_mos.main, words) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error: " in x]
    assert "model.pth" in line
    with pytest.raises(SystemExit):
        rate_tiny_mos.main(command(made, "none", "--weight", "1.5"))
