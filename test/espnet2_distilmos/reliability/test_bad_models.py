"""Configurations, models, archives and tokens that are broken, foreign or hostile."""

import pickle
import shutil
import stat
import zipfile

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet2_distilmos.bin.main import cli


class Harm:
    """Unpickled, it would leave the file `harm` in the current folder."""

    def __reduce__(self):
        return (open, ("harm", "w"))


CODE = "[open('harm', 'w')] and [(8, 10, 5)]"


@pytest.fixture(autouse=True)
def no_harm(tmp_path, monkeypatch):
    """Every test in a folder of its own, in which no code of any input has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path / "cache"))
    yield
    assert not list(tmp_path.rglob("harm"))


def text(content):
    return lambda path: path.write_text(content)


def keys(**changes):
    """The good YAML with other values; None removes a key."""

    def write(path):
        content = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            content[key] = value
            if value is None:
                del content[key]
        path.write_text(yaml.safe_dump(content))

    return write


def checkpoint(content):
    def write(path):
        torch.save(content, path)

    return write


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# --- upstreams, through stage 2 (the checkpoint is up.pt, the YAML up.yaml)

UPSTREAMS = {
    "unknown key": ("up.yaml", keys(layer=[1]), "unknown key layer; known: upstream"),
    "layers as text": ("up.yaml", keys(layers="1"), "layers must be a rising list"),
    "layer out of range": ("up.yaml", keys(layers=[1, 99]), "99"),
    "1e-3": ("up.yaml", keys(feature_grad_mult="1e-3"), "as in 0.1, not 1e-1"),
    "no name": ("up.yaml", keys(upstream=None), "missing: upstream"),
    "a list": ("up.yaml", text("- a\n- b\n"), "a YAML mapping"),
    "a tab": ("up.yaml", text("upstream:\tx\n\tb: 1"), "not valid YAML"),
    "an impossible date": ("up.yaml", text("upstream: 2026-13-40"), "not valid YAML"),
    "a Python object": (
        "up.yaml",
        text("upstream: !!python/object/apply:os.system ['touch harm']"),
        "not valid YAML",
    ),
    "no file": ("up.yaml", lambda path: path.unlink(), "cannot be read"),
    "no checkpoint": ("up.pt", lambda path: path.unlink(), "no such upstream"),
    "cut off": ("up.pt", cut, "up.pt"),
    "empty": ("up.pt", lambda path: path.write_bytes(b""), "up.pt"),
    "another family": ("up.pt", checkpoint({"a": torch.zeros(1)}), "no checkpoint for"),
    "a pickle": ("up.pt", lambda p: p.write_bytes(pickle.dumps(Harm())), "run code"),
    "code in a pickle": ("up.pt", checkpoint({"cfg": Harm()}), "could run code"),
    "code in the layers": (
        "up.pt",
        checkpoint({"cfg": {"conv_feature_layers": CODE}, "model": {}}),
        "S3PRL would run it as code",
    ),
    "code in the attention": (
        "up.pt",
        checkpoint({"cfg": {"xformers_att_config": CODE}, "model": {}}),
        "S3PRL would run it as code",
    ),
    "code in random weights": (
        "up.yaml",
        keys(
            path_or_url="new.pt",
            random_init={"seed": 0, "config": {"conv_feature_layers": CODE}},
        ),
        "S3PRL would run it as code",
    ),
    "random weights of nothing": (
        "up.yaml",
        keys(path_or_url="new.pt", random_init={"seed": 0, "config": {"layer": 3}}),
        "WavLM has no layer",
    ),
    "random weights that fit nothing": (
        "up.yaml",
        keys(path_or_url="n", random_init={"seed": 0, "config": {"conv_pos": "x"}}),
        "no WavLM can be made of it",
    ),
    "arguments that S3PRL runs": (
        "up.yaml",
        keys(extra_conf={"model_config": "x.yaml"}),
        "extra_conf must be without model_config",
    ),
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory, wavlm_conf):
    """Folder with a good up.yaml, up.pt and a formatted set of one clip."""
    from espnet2_distilmos.model.upstream.config import UpstreamConfig
    from espnet2_distilmos.model.upstream.loader import build_upstream

    folder = tmp_path_factory.mktemp("upstream")
    conf = wavlm_conf("post", 5)
    build_upstream(UpstreamConfig.from_dict(conf, "test"))
    shutil.copy(conf["path_or_url"], folder / "up.pt")
    (folder / "up.yaml").write_text("upstream: wavlm_local\npath_or_url: up.pt\n")
    (folder / "data").mkdir()
    soundfile.write(folder / "a.wav", 0.1 * np.ones(4000), 16000)
    (folder / "data/wav.scp").write_text(f"a {folder}/a.wav\n")
    (folder / "data/utt2num_samples").write_text("a 4000\n")
    return folder


DUMP = ["dump-layers", "--data_dir", "data", "--output_dir", "out"]


@pytest.mark.parametrize("name", UPSTREAMS)
def test_upstreams(upstream, tmp_path, refused, name):
    shutil.copytree(upstream, tmp_path, dirs_exist_ok=True)
    file, spoil, word = UPSTREAMS[name]
    spoil(tmp_path / file)
    refused([*DUMP, "--upstream_config", "up.yaml"], word)


def test_keys_that_are_no_text(upstream, tmp_path, refused):
    shutil.copytree(upstream, tmp_path, dirs_exist_ok=True)
    (tmp_path / "up.yaml").write_text("upstream: wavlm_local\n1: 2\nnull: 3\n")
    refused([*DUMP, "--upstream_config", "up.yaml"], "up.yaml: unknown key 1, None")


# --- models, through `distilmos score` (folder `model`: config.yaml, model.pth)

MODELS = {
    "another task": ("config.yaml", keys(predictor=None), "not the config.yaml of"),
    "no such predictor": ("config.yaml", keys(predictor="x"), "not the config.yaml of"),
    "a list as predictor": ("config.yaml", keys(predictor=[]), "not the config.yaml"),
    "text as upstream": ("config.yaml", keys(upstream_conf="x"), "not the config.yaml"),
    "a path that is a number": (
        "config.yaml",
        keys(upstream_conf={"upstream": "wavlm_local", "path_or_url": 3}),
        "not the config.yaml",
    ),
    "no upstream file": (
        "config.yaml",
        keys(upstream_conf={"upstream": "wavlm_local", "path_or_url": "x.pt"}),
        "x.pt: no such upstream checkpoint",
    ),
    "a packed one without its upstream": (
        "config.yaml",
        keys(upstream_sha256=64 * "0", upstream_conf={"upstream": "wavlm_local"}),
        "missing, the packed upstream",
    ),
    "unknown option": (
        "config.yaml",
        keys(predictor_conf={"colour": 1}),
        "predictor_conf {'colour': 1}",
    ),
    "an option of another type": (
        "config.yaml",
        keys(predictor_conf={"hidden_size": "16"}),
        "predictor_conf",
    ),
    "options that are text": ("config.yaml", keys(predictor_conf="x"), "a mapping"),
    "code in random weights": (
        "config.yaml",
        keys(
            upstream_conf={
                "upstream": "wavlm_local",
                "path_or_url": "new.pt",
                "random_init": {"seed": 0, "config": {"conv_feature_layers": CODE}},
            }
        ),
        "S3PRL would run it as code",
    ),
    "no config": ("config.yaml", lambda path: path.unlink(), "config.yaml"),
    "no weights": ("model.pth", lambda path: path.unlink(), "no model here"),
    "weights cut off": ("model.pth", cut, "cannot be loaded as weights"),
    "empty weights": ("model.pth", lambda p: p.write_bytes(b""), "cannot be loaded"),
    "text as weights": ("model.pth", text("weights"), "cannot be loaded as weights"),
    "a pickle": (
        "model.pth",
        lambda path: path.write_bytes(pickle.dumps(Harm())),
        "could run code",
    ),
    "code among the weights": (
        "model.pth",
        checkpoint({"network.x": Harm()}),
        "could run code",
    ),
    "keys missing": (
        "model.pth",
        checkpoint({"network.x": torch.zeros(1)}),
        "is missing (and",
    ),
    "no tensors": ("model.pth", checkpoint({"a": 1}), "not a checkpoint of this"),
    "keys that are numbers": (
        "model.pth",
        checkpoint({1: torch.zeros(1)}),
        "not a checkpoint of this",
    ),
    "sparse weights": (
        "model.pth",
        checkpoint({"network.x": torch.eye(2).to_sparse()}),
        "not a checkpoint of this",
    ),
    "a meta.yaml of numbers": (
        "meta.yaml",
        text("{yaml_files: {train_config: 3}, files: {model_file: 4}}"),
        "3 is no file's name",
    ),
    "a meta.yaml that leads out": (
        "meta.yaml",
        text("{yaml_files: {train_config: ../c}, files: {model_file: model.pth}}"),
        "leads out of the folder",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(tiny_model, upstream, tmp_path, refused, name):
    shutil.copytree(tiny_model, tmp_path / "model")
    file, spoil, word = MODELS[name]
    spoil(tmp_path / "model" / file)
    command = ["score", upstream / "a.wav", "--model", tmp_path / "model"]
    refused([*command, "--output", "out.csv", "--device", "cpu"], word)
    # Without a network, `info` cannot see every fault; none may end in a traceback.
    assert cli(["info", "--model", str(tmp_path / "model")]) in (0, 1)


def test_options_of_the_scorer(tiny_model, upstream, refused):
    wav = upstream / "a.wav"
    good = ["score", wav, "--model", tiny_model]
    refused([*good, "--device", "toaster"], "toaster", "choose auto, cpu or cuda")
    refused([*good, "--log_level", "LOUD"], "LOUD", "choose DEBUG, INFO")
    refused([*good, "--corpus", "x"], "no corpus offsets", "leave the corpus out")
    refused([*good, "--batch_seconds", "0"], "a number above 0")
    refused([*good[:2], "--model", "../x.zip"], "../x.zip: no such model file")
    refused(["score", "nowhere", "--model", tiny_model], "nowhere: no such file")


@pytest.mark.parametrize(
    "content, words",
    [
        ("colour: red", ("unknown option colour",)),
        ("1: 2", ("unknown option 1",)),
        ("ngpu: many", ("ngpu", "'many'")),
        ("ngpu: [1]", ("ngpu", "[1]", "one number or text")),
        ("batch_seconds: {a: 1}", ("batch_seconds", "one number or text")),
        ("ngpu: 1: 2", ("not valid YAML",)),
    ],
)
def test_configurations_of_stage_6(tmp_path, refused, content, words):
    (tmp_path / "c.yaml").write_text(content)
    refused(
        ["inference", "--config", "c.yaml", "--output_dir", "out", "--model_file", "m"]
        + ["--data_path_and_name_and_type", "wav.scp,speech,sound"],
        "c.yaml: ",
        *words,
    )


@pytest.mark.parametrize(
    "keys_, words",
    [
        ("\n", ("keys:1", "empty")),
        ("a x\n\n", ("keys:2", "empty")),
        ("z\n", ("z is not in",)),
        (None, ("keys", "no such file")),
    ],
)
def test_key_files_of_stage_6(tiny_model, upstream, tmp_path, refused, keys_, words):
    if keys_ is not None:
        (tmp_path / "keys").write_text(keys_)
    refused(
        ["inference", "--output_dir", "out", "--model_file", tiny_model / "model.pth"]
        + ["--key_file", "keys", "--data_path_and_name_and_type"]
        + [f"{upstream / 'data/wav.scp'},speech,sound"],
        *words,
    )


# --- archives


def member(name, link=False):
    def write(path):
        info = zipfile.ZipInfo(name)
        if link:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(path, "a") as z:
            z.writestr(info, "/etc/passwd")

    return write


def encrypted(path):
    content = bytearray(path.read_bytes())
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        start = content.index(header)
        content[start + (6 if header[2] == 3 else 8)] |= 1
    path.write_bytes(content)


ARCHIVES = {
    "a member outside": (member("../harm"), "'../harm' leads out of the folder"),
    "an absolute member": (member("/tmp/harm"), "leads out of the folder"),
    "a Windows path": (member("..\\harm"), "leads out of the folder"),
    "a link": (member("config.yaml", link=True), "is a link"),
    "cut off": (cut, "not a zip, or cut off"),
    "encrypted": (encrypted, "a broken zip"),
    "a file where a folder is": (member("config.yaml/x"), "cannot be unpacked"),
    "no model in it": (lambda p: member("x")(p.unlink() or p), "zip: no model here"),
    "text": (text("zip"), "not a zip, or cut off"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(tiny_model, tmp_path, refused, name):
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as z:
        for file in ("config.yaml", "model.pth"):
            z.write(tiny_model / file, file)
    spoil, word = ARCHIVES[name]
    spoil(archive)
    refused(["info", "--model", archive], word)
    assert not list(tmp_path.parent.glob("harm"))


def test_an_archive_that_no_disk_holds(tiny_model, tmp_path, refused, monkeypatch):
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as z:
        z.write(tiny_model / "model.pth", "model.pth")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    refused(["info", "--model", archive], "model.zip: unpacks to", "DISTILMOS_CACHE")


# --- the authors' checkpoints

OFFICIAL = {
    "a list": (text("[]"), "a YAML mapping"),
    "text for a mapping": (text("wavlm_cfg: big"), "wavlm_cfg must be a mapping"),
    "text for numbers": (text("hidden_dim: '256'"), "hidden_dim must be a number"),
    "a number for a list": (text("downsample_kernels: 5"), "must be a list of numbers"),
    "layers that are text": (text("target_layers: [a]"), "must be a list of numbers"),
    "code": (text(f'wavlm_cfg: {{conv_feature_layers: "{CODE}"}}'), "run it as code"),
    "sizes that fit nothing": (
        text("wavlm_cfg: {encoder_embed_dim: -1}"),
        "no model can be made of it",
    ),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_released_checkpoints(tmp_path, refused, name):
    spoil, word = OFFICIAL[name]
    spoil(tmp_path / "model_cfg.yaml")
    states = {"ssl.mask_emb": torch.zeros(2), "predictors.0.x": torch.zeros(1)}
    torch.save({"model": states}, tmp_path / "model.pth.tar")
    command = ["import-official", "--model_dir", tmp_path, "--output_dir", "out"]
    refused(command, "model_cfg.yaml", word)


# --- tokens, through stage 3, and in training


def lose_audio(path):
    """Let the first line of a wav.scp name a file that is not there."""
    first, *others = path.read_text().splitlines()
    lines = [f"{first.split()[0]} nowhere.wav", *others]
    path.write_text("".join(f"{line}\n" for line in lines))


TOKENS = {
    "another upstream": (
        "kmeans/provenance.yaml",
        keys(upstream={"upstream": "hubert_base"}),
        "the tokens were made with another upstream: upstream is 'hubert_base'",
    ),
    "a provenance of text": (
        "kmeans/provenance.yaml",
        keys(n_clusters="8"),
        "not a k-means provenance",
    ),
    "layers of text": (
        "kmeans/provenance.yaml",
        keys(layers=["1"]),
        "not a k-means provenance",
    ),
    "no centroids": (
        "kmeans/layer_02.npy",
        lambda path: path.unlink(),
        "layer_02.npy: cannot be read",
    ),
    "centroids cut off": ("kmeans/layer_02.npy", cut, "not an array that this package"),
    "pickled centroids": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.array([[Harm()]]), allow_pickle=True),
        "not an array that this package",
    ),
    "centroids of NaN": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.full((8, 16), np.nan, np.float32)),
        "finite floats were expected",
    ),
    "centroids of another size": (
        "kmeans/layer_02.npy",
        lambda path: np.save(path, np.zeros((8, 15), np.float32)),
        "15 channels, but the upstream has 16",
    ),
    "no list": ("raw/train/wav.scp", lambda path: path.unlink(), "wav.scp"),
    "audio that is gone": (
        "raw/train/wav.scp",
        lose_audio,
        "nowhere.wav: no such file",
    ),
    "no frames": ("frames/frames.yaml", lambda path: path.unlink(), "run stage 2"),
    "frames of text": (
        "frames/frames.yaml",
        text("n_frames: many"),
        "not what stage 2 writes",
    ),
    "frames that are too few": (
        "frames/frames.yaml",
        keys(n_frames=3),
        "too few for 8",
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens(corpus, tmp_path, refused, name):
    for part in ("kmeans", "frames"):
        shutil.copytree(getattr(corpus, part), tmp_path / part)
    shutil.copytree(corpus.raw / "train", tmp_path / "raw/train")
    shutil.rmtree(tmp_path / "kmeans/train")
    file, spoil, word = TOKENS[name]
    spoil(tmp_path / file)
    if file.startswith("frames"):
        command = ["cluster-layers", "--frames_dir", "frames", "--n_clusters", "8"]
        command += ["--output_dir", "kmeans"]
    else:
        command = ["tokenize-layers", "--kmeans_dir", "kmeans"]
        command += ["--data_dirs", "raw/train", "--upstream_config", corpus.upstream]
    refused(command, word)


@pytest.mark.parametrize(
    "spoil, word",
    [
        (lambda x: x[:-1], "frames, but the upstream makes"),
        (lambda x: np.where(x == x.max(), 8, x), "token 8, but they go from 0 to 7"),
        (lambda x: x - 9, ", but they go from 0 to 7"),
        (lambda x: x + 0.5, "tokens that are no whole numbers"),
        (lambda x: x * np.nan, "tokens that are no whole numbers"),
    ],
)
def test_tokens_in_stage_4(corpus, tmp_path, refused, spoil, word):
    from espnet2_distilmos.utils.arks import write_ark
    from espnet2_distilmos.utils.datadir import write_lines

    folder = tmp_path / "kmeans/train"
    shutil.copytree(corpus.kmeans, tmp_path / "kmeans")
    shutil.copytree(corpus.raw / "train", tmp_path / "raw/train")
    tokens = dict(kaldiio.load_scp(str(corpus.kmeans / "train/tokens.scp")))
    tokens["train01"] = spoil(tokens["train01"]).astype(np.float32)
    ark = folder / "tokens.ark"
    offsets = write_ark(ark, tokens.items())
    write_lines(folder / "tokens.scp", {u: f"{ark}:{n}" for u, n in offsets.items()})
    command = ["collect-stats", "--data_dir", "raw/train", "--output_dir", "stats"]
    told = [*command, "--tokens_scp", "kmeans/train/tokens.scp"]
    refused(told, "tokens of 1 of 12 clips", "train01", word)


# --- training's configuration


@pytest.mark.parametrize(
    "content, words",
    [
        ("max_epoch: [", ("c.yaml: not valid YAML",)),
        ("- a\n", ("c.yaml: a YAML mapping",)),
        ("optim_conf:\n  lr: 1e-3\n", ("optim_conf lr: '1e-3' is text", "1.0e-3")),
        ("scheduler_conf:\n  warmup_steps: 1e3\n", ("scheduler_conf warmup_steps",)),
        ("loss_conf:\n  colour: 1\n", ("loss_conf {'colour': 1}",)),
        ("loss_conf:\n  token_weight: -1\n", ("loss_conf", "must not be negative")),
        ("predictor_conf:\n  colour: 1\n", ("predictor_conf", "colour")),
        ("token_provenance: none.yaml\n", ("none.yaml: cannot be read",)),
        ("upstream_config: none.yaml\n", ("none.yaml: cannot be read",)),
        ("colour: red\n", ("colour",)),
        ("max_epoch: many\n", ("max_epoch", "many")),
    ],
)
def test_configurations_of_training(corpus, tmp_path, content, words, capsys):
    from espnet2_distilmos.bin import distilmos_train
    from espnet2_distilmos.tasks.distilmos import DistilMOSTask
    from espnet2_distilmos.utils.command import run

    (tmp_path / "c.yaml").write_text(content)
    command = ["--config", "c.yaml", "--output_dir", "out"]
    if "upstream_config" not in content:
        command += ["--upstream_config", str(corpus.upstream)]
    if "token_provenance" not in content and "loss_conf" not in content:
        command += ["--token_provenance", str(corpus.provenance)]

    def main(cmd):
        # All but the loop over epochs, which sets up the whole process.
        distilmos_train.require_yaml(cmd)
        DistilMOSTask.build_model(DistilMOSTask.get_parser().parse_args(cmd))

    try:
        code = run(main, command)
    except SystemExit as e:
        code = e.code
    err = capsys.readouterr().err
    lines = [x for x in err.splitlines() if "error: " in x[:60]]
    assert code in (1, 2) and len(lines) == 1, err
    for word in words:
        assert word in lines[0], lines[0]
    assert not (tmp_path / "out").exists()
