"""The task as ESPnet3 builds it, and options that are filled with every default.

`espnet3.utils.task_utils.get_espnet_model` calls `build_model` with what
`get_default_config` gives, updated by a configuration of the user's.
"""

import io
import sys
from argparse import Namespace

import pytest
import yaml
from espnet3.utils.task_utils import get_espnet_model, save_espnet_config

from espnet2_distilmos.model.network import build_network, from_options
from espnet2_distilmos.tasks.distilmos import DistilMOSTask
from espnet2_distilmos.utils.errors import UserError

TASK = "espnet2_distilmos.tasks.distilmos.DistilMOSTask"
# Every mapping that a user may give, or leave out, or leave empty.
CONFS = {
    "predictor_conf": {"dropout": 0.2},
    "loss_conf": {"margin": 0.25},
    "model_conf": {"extract_feats_in_collect_stats": False},
    "optim_conf": {"lr": 0.001},
}


@pytest.fixture
def config(corpus):
    return {
        "upstream_config": str(corpus.upstream),
        "token_provenance": str(corpus.provenance),
    }


@pytest.mark.parametrize("predictor", ["distilmos", "sslmos"])
@pytest.mark.parametrize("name", [*CONFS, None])
def test_with_and_without_each_conf(config, predictor, name):
    config["predictor"] = predictor
    if predictor == "sslmos":
        del config["token_provenance"]
        config["loss_conf"] = {"token_weight": 0}
    given = {} if name is None else {name: dict(CONFS[name])}
    if predictor == "sslmos" and name == "predictor_conf":
        given = {name: {}}  # it takes none
    if name == "loss_conf":
        given[name].update(config.get(name, {}))
    model = get_espnet_model(TASK, {**config, **given})
    assert model.n_tokens == (8 if predictor == "distilmos" else 0)
    assert type(model.network.predictor).__name__.lower() == f"{predictor}predictor"
    if name == "loss_conf":
        assert model.loss.regression.margin == 0.25
    if name == "predictor_conf" and predictor == "distilmos":
        assert model.network.predictor.decoder.dropout.p == 0.2


@pytest.mark.parametrize("name", ["predictor_conf", "loss_conf", "model_conf"])
def test_an_empty_key_of_a_yaml_file(config, name):
    assert get_espnet_model(TASK, {**config, name: None}).n_tokens == 8


def test_what_espnet3_saves_is_built_again(config, tmp_path):
    save_espnet_config(TASK, {"model": config}, str(tmp_path))
    saved = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert DistilMOSTask.build_model(Namespace(**saved)).n_tokens == 8


def test_what_print_config_prints_is_built(config):
    text = io.StringIO()
    DistilMOSTask.print_config(text)
    printed = yaml.safe_load(text.getvalue())
    assert printed["predictor_conf"]["n_codebooks"] == 1  # filled in by ESPnet
    model = DistilMOSTask.build_model(Namespace(**{**printed, **config}))
    assert len(model.network.predictor.token_heads.heads) == 3
    # And as a scorer does, with what was true in training.
    upstream = yaml.safe_load(open(config["upstream_config"]))
    conf = {**printed["predictor_conf"], "n_codebooks": 2}
    network = build_network(upstream, "distilmos", conf)
    assert network.predictor.token_heads is None


def test_defaults_are_those_of_no_class_but_options_of_the_command_stay(monkeypatch):
    command = ["x", "--predictor_conf", "dropout=0.3", "--predictor_conf", "strides=1"]
    monkeypatch.setattr(sys, "argv", command)
    config = DistilMOSTask.get_default_config()
    assert config["predictor_conf"] == {"dropout": 0.3, "strides": 1}
    assert config["loss_conf"] == {}


class Made:
    def __init__(self, size, n_codebooks=1, names=(), width=None, depth=2):
        self.all = (size, n_codebooks, names, width, depth)


def test_arguments_that_the_builder_knows():
    known = dict(size=4, n_codebooks=3, names=["a"], width=None)
    for options in (
        None,
        {},
        {"n_codebooks": 1},  # the default says nothing
        {"n_codebooks": 3, "size": 4},  # what is known already
        {"names": []},  # the default, after YAML
        {"names": ("a",), "width": None},
    ):
        assert from_options(Made, "x_conf", options, **known).all == (
            *(4, 3, ["a"], None),
            2,
        )
    assert from_options(Made, "x_conf", {"depth": 5}, **known).all[-1] == 5


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_codebooks": 2}, "x_conf n_codebooks: 2 is not what .*leave it out"),
        ({"size": 5}, "x_conf size: 5 is not what"),
        ({"names": ["b"]}, r"x_conf names: \['b'\] is not what"),
        ({"colour": 1}, "x_conf {'colour': 1}: TypeError: .*colour"),
        ([1], r"x_conf must be a mapping, not \[1\]"),
    ],
)
def test_options_that_contradict_or_are_unknown(options, message):
    with pytest.raises(UserError, match=message):
        from_options(Made, "x_conf", options, size=4, n_codebooks=3, names=["a"])


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"predictor_conf": {"n_codebooks": 2}}, "predictor_conf n_codebooks: 2"),
        ({"predictor_conf": {"input_size": 5}}, "predictor_conf input_size: 5"),
        ({"model_conf": {"n_tokens": 5}}, "model_conf n_tokens: 5"),
        ({"model_conf": {"colour": 1}}, "model_conf {'colour': 1}: TypeError"),
    ],
    ids=str,
)
def test_a_model_with_options_that_are_none(config, conf, message):
    with pytest.raises(UserError, match=message):
        get_espnet_model(TASK, {**config, **conf})
