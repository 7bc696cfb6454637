"""Training with corpus offsets and with listeners, and the models that come of it."""

import copy
import shutil

import pytest
import torch
import yaml
from small_trainings import load, train

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.train.history import read_history
from espnet2_distilmos.utils.datadir import DataDir
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml

CORPORA = ("low", "high")
LISTENERS = ("L1", "L2", "L3")


@pytest.fixture(scope="module")
def rated(corpus, tmp_path_factory):
    """The corpus as two, rated by three listeners; the last clip by nobody."""
    found = copy.copy(corpus)
    found.raw = tmp_path_factory.mktemp("rated")
    for part in ("train", "valid"):
        shutil.copytree(corpus.raw / part, found.raw / part)
        data = DataDir.load(found.raw / part)
        utts = list(data.wavs)
        data.corpora = {u: CORPORA[i % 2] for i, u in enumerate(utts)}
        data.ratings = {
            u: [(who, data.mos[u] - 1 + n) for n, who in enumerate(LISTENERS)]
            for u in utts
        }
        data.ratings[utts[-1]] = []
        if part == "valid":  # whom nobody has heard of in training
            data.ratings[utts[0]] = [("stranger", 1.0)]
        data.save(found.raw / part)
    return found


@pytest.fixture(scope="module")
def both(rated, tmp_path_factory):
    """Trained with both options."""
    folder = tmp_path_factory.mktemp("exp") / "both"
    draw = ("--loss_conf", "ratings_per_clip=2")
    return train(rated, folder, "--corpus_offset", "true", "--listeners", "true", *draw)


def test_off_the_model_is_what_it_was(rated, tmp_path):
    """With the data at hand, and without: the same checkpoint, key by key."""
    train(rated, tmp_path / "with")
    train(rated, tmp_path / "without", data=())
    a, b = (load(tmp_path / x / "checkpoint.pth")["model"] for x in ("with", "without"))
    assert a.keys() == b.keys() and not any("listeners" in k for k in a)
    assert all(torch.equal(a[k], b[k]) for k in a)
    config = read_yaml(tmp_path / "with" / "config.yaml")
    assert config["predictor_conf"] == {"hidden_size": 8}
    # The corpora are told apart in validation all the same.
    valid = read_history(tmp_path / "with" / "checkpoint.pth")[2]["valid"]
    assert {"srcc", "srcc_low", "srcc_high"} <= valid.keys()
    assert not any(k.startswith("corpus_offset") for k in valid)
    other = read_history(tmp_path / "without" / "checkpoint.pth")[2]["valid"]
    assert other["srcc"] == valid["srcc"] and "srcc_low" not in other


def test_training_learns_offsets_and_listeners(both):
    states = load(both / "checkpoint.pth")["model"]
    assert states["network.predictor.corpus_offset.raw"].shape == (2,)
    assert states["network.predictor.corpus_offset.raw"].abs().min() > 0
    table = states["network.predictor.listeners.table"]
    assert table.shape == (4, 8) and (table.abs().max(1).values > 0).all()
    history = read_history(both / "checkpoint.pth")
    assert history[2]["train"]["listener_loss"] > 0
    valid = history[2]["valid"]
    assert "listener_loss" not in valid
    assert valid["loss"] == pytest.approx(valid["mos_loss"])
    assert valid["corpus_offset_low"] == pytest.approx(-valid["corpus_offset_high"])
    assert all(-1 <= valid[n] <= 1 for n in ("srcc", "srcc_low", "srcc_high"))


def test_names_are_in_the_configuration_not_the_paths_to_them(both):
    config = read_yaml(both / "config.yaml")
    conf = config["predictor_conf"]
    # Sorted, so that numbers depend on no order of clips.
    assert conf["corpora"] == config["corpora"] == ["high", "low"]
    assert conf["listeners"] == ["L1", "L2", "L3"]
    assert conf["hidden_size"] == 8


def test_same_seed_same_draws_also_when_resumed(rated, both, tmp_path):
    on = ("--corpus_offset", "true", "--listeners", "true")
    on += ("--loss_conf", "ratings_per_clip=2")
    train(rated, tmp_path, *on, "--max_epoch", "1")
    train(rated, tmp_path, *on)
    a, b = (load(x / "checkpoint.pth")["model"] for x in (tmp_path, both))
    assert [k for k in a if not torch.equal(a[k], b[k])] == []


def test_validation_srcc_is_the_engines(rated, both):
    """Of the mean listener, on the scale of the clip's own corpus."""
    from scipy.stats import spearmanr

    from espnet2_distilmos.utils.audio import read_audio

    data = DataDir.load(rated.raw / "valid")
    files = (both / "config.yaml", both / "checkpoint.pth")
    models = {name: DistilMOSInference(*files, corpus=name) for name in CORPORA}
    scores = [
        models[data.corpora[utt]](*read_audio(path))["mos"]
        for utt, path in data.wavs.items()
    ]
    expected = spearmanr(scores, list(data.mos.values())).statistic
    valid = read_history(both / "checkpoint.pth")[2]["valid"]
    assert valid["srcc"] == pytest.approx(expected, abs=1e-6)


def test_a_packed_model_scores_alike_and_says_what_it_is(both, tmp_path, noise):
    files = (both / "config.yaml", both / "valid.srcc.best.pth")
    pack_model(*files, tmp_path / "m.zip")
    clip = noise(5, 8000)
    tag = str(tmp_path / "m.zip")
    found = {}
    for name in (None, *CORPORA):
        found[name] = DistilMOSInference(*files, corpus=name)(clip)
        packed = DistilMOSInference.from_pretrained(tag, corpus=name)(clip)
        assert packed["mos"] == pytest.approx(found[name]["mos"], abs=1e-6)
        frames = found[name]["frame_mos"].mean()
        assert frames == pytest.approx(found[name]["mos"], abs=1e-5)
    middle = sum(found[name]["mos"] for name in CORPORA) / 2
    assert found[None]["mos"] == pytest.approx(middle, abs=1e-5)
    assert found["low"]["mos"] != pytest.approx(found["high"]["mos"], abs=1e-5)
    shown = describe_model(tag)
    assert "high +" in shown["corpus offsets"] or "high -" in shown["corpus offsets"]
    assert shown["listeners"] == "3; the mean listener scores"
    assert shown["predictor"] == "distilmos (hidden_size 8)"


def test_the_commands_take_a_corpus(rated, both, tmp_path, capsys):
    wavs = [line.split()[1] for line in open(rated.raw / "valid/wav.scp")]
    model = ["--model", str(both / "valid.srcc.best.pth"), "--format", "csv"]
    tables = {}
    for more in ([], ["--corpus", "low"]):
        assert cli(["score", wavs[0], "--device", "cpu", *model, *more]) == 0
        tables[len(more)] = capsys.readouterr().out
    assert tables[0] != tables[2]
    capsys.readouterr()
    assert cli(["score", wavs[0], *model, "--corpus", "bvcc"]) == 1
    assert "error: corpus bvcc: the model was trained on high, low" in (
        capsys.readouterr().err
    )
    scp = f"{rated.raw}/valid/wav.scp,speech,sound"
    given = ["--model_file", str(both / "valid.srcc.best.pth"), "--num_threads", "1"]
    given += ["--data_path_and_name_and_type", scp, "--output_dir", str(tmp_path)]
    texts = []
    for more in ([], ["--corpus", "high"], []):  # made again for another corpus
        assert cli(["inference", *given, *more]) == 0
        texts.append((tmp_path / "utt2mos").read_text())
    assert texts[0] == texts[2] != texts[1]


def test_a_model_without_offsets_has_no_corpora(engine, tiny_model):
    with pytest.raises(UserError, match="corpus bvcc: this model has no corpus off"):
        DistilMOSInference(model_file=tiny_model / "model.pth", corpus="bvcc")


def test_print_config_shows_the_options(tmp_path):
    with open(tmp_path / "config.yaml", "w") as f:
        DistilMOSTask.print_config(f)
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["corpus_offset"] is False and config["listeners"] is False
    assert config["corpora"] is None
    assert config["loss_conf"]["listener_weight"] == 1.0
    assert config["loss_conf"]["ratings_per_clip"] == 8


def test_a_saved_configuration_needs_no_data(both, tmp_path):
    """As ESPnet's build_model_from_file, on another machine."""
    config = read_yaml(both / "config.yaml")
    for part in ("train", "valid"):
        entries = config[f"{part}_data_path_and_name_and_type"]
        config[f"{part}_data_path_and_name_and_type"] = [
            [f"/nowhere/{x[0]}", *x[1:]] for x in entries
        ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    model, _ = DistilMOSTask.build_model_from_file(
        tmp_path / "config.yaml", both / "valid.srcc.best.pth", "cpu"
    )
    assert model.network.predictor.listeners.names == LISTENERS
    assert model.network.predictor.listeners.table.abs().max() > 0


@pytest.mark.parametrize(
    "more, data, message",
    [
        ("--corpus_offset", (), "at least two corpora .* found none.*--train_sets"),
        ("--listeners", ("corpus",), "--listeners true needs utt2ratings"),
    ],
)
def test_options_without_their_data(rated, tmp_path, more, data, message):
    with pytest.raises(UserError, match=message):
        train(rated, tmp_path, more, "true", data=data)


def test_one_corpus_has_no_offset_and_no_rating_no_listener(rated, tmp_path):
    one = copy.copy(rated)
    one.raw = tmp_path / "raw"
    shutil.copytree(rated.raw, one.raw)
    data = DataDir.load(one.raw / "train")
    data.corpora = dict.fromkeys(data.wavs, "only")
    data.ratings = {utt: [] for utt in data.wavs}
    data.save(one.raw / "train")
    with pytest.raises(UserError, match="at least two corpora .* found only;"):
        train(one, tmp_path / "a", "--corpus_offset", "true")
    with pytest.raises(UserError, match="utt2ratings: holds no rating"):
        train(one, tmp_path / "b", "--listeners", "true")
