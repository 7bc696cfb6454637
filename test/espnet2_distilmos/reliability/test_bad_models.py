"""Upstreams, models and configurations that are broken, foreign or hostile."""

import pickle
import shutil

import numpy as np
import pytest
import soundfile
import torch
from spoilt_files import CODE, Harm, checkpoint, cut, keys, text

from espnet2_distilmos.bin.main import cli

pytestmark = pytest.mark.usefixtures("no_harm")


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
