"""The upstream's configuration: what is taken, what is refused."""

from dataclasses import fields

import pytest

from espnet2_distilmos.model.upstream.config import (
    FINGERPRINT_DEFAULTS,
    NO_WEIGHTS_KEYS,
    RECORD_DEFAULTS,
    STATE_KEYS,
    UpstreamConfig,
)
from espnet2_distilmos.utils.errors import UserError


def test_defaults_and_round_trip():
    conf = UpstreamConfig.from_dict({"upstream": "fbank", "extra_conf": None}, "here")
    assert conf.layers is None and conf.layerdrop is None and not conf.freeze
    assert conf.extra_conf == {}
    assert UpstreamConfig.from_dict(conf.to_dict(), "here") == conf


@pytest.mark.parametrize(
    "change, message",
    [
        ({"upstream": None}, "upstream must be text, not None"),
        ({"upstream": 3}, "upstream must be text, not 3"),
        ({"layer": [1]}, "unknown key layer; known: upstream, path_or_url"),
        ({"path_or_url": 3}, "path_or_url must be text, not 3"),
        ({"normalize": "yes"}, "normalize must be true or false"),
        ({"freeze": 1}, "freeze must be true or false"),
        ({"extra_conf": [1]}, "extra_conf must be a mapping"),
        ({"layers": 3}, "layers must be a rising list"),
        ({"layers": []}, "layers must be a rising list"),
        ({"layers": [-1, 1]}, "layers must be a rising list"),
        ({"layers": [2, 1]}, "layers must be a rising list"),
        ({"layers": [1, 1]}, "layers must be a rising list"),
        ({"layers": [True]}, "layers must be a rising list"),
        ({"layers": ["1"]}, "layers must be a rising list"),
        ({"frozen_layers": -1}, "frozen_layers must be a whole number"),
        ({"feature_grad_mult": -0.1}, "feature_grad_mult must be a number >= 0"),
        ({"feature_grad_mult": "1e-1"}, "feature_grad_mult must be .*'1e-1'"),
        ({"feature_grad_mult": True}, "feature_grad_mult must be a number >= 0"),
        ({"layerdrop": 1.0}, r"layerdrop must be a number in \[0, 1\)"),
        ({"layerdrop": -0.1}, r"layerdrop must be a number in \[0, 1\)"),
        ({"random_init": {"seed": 1}}, "random_init must be {seed, config}"),
        ({"random_init": {"seed": 1, "config": {}}}, "beside a path_or_url"),
    ],
)
def test_mistakes_name_the_file_and_the_key(change, message):
    with pytest.raises(UserError, match=f"^conf/x.yaml: .*{message}"):
        UpstreamConfig.from_dict({"upstream": "fbank", **change}, "conf/x.yaml")


def test_every_key_is_known_to_decide_states_or_a_training_or_nothing():
    """A key that is added has to be put somewhere: stamps are made of these lists."""
    training_only = {"layers", "freeze", "frozen_layers", "feature_grad_mult"}
    training_only.add("layerdrop")
    known = [*STATE_KEYS, *NO_WEIGHTS_KEYS, *training_only]
    assert sorted(known) == sorted(f.name for f in fields(UpstreamConfig))
    defaults = {f.name: f.default for f in fields(UpstreamConfig)}
    assert FINGERPRINT_DEFAULTS.items() <= defaults.items()
    assert RECORD_DEFAULTS.items() <= defaults.items()


def test_a_frozen_cnn_can_be_said_as_in_older_files():
    plain, old, new = (
        UpstreamConfig.from_dict({"upstream": "wavlm_base", **keys}, "here")
        for keys in (
            {"freeze_cnn": False},
            {"freeze_cnn": True},
            {"feature_grad_mult": 0},
        )
    )
    assert old == new and plain.feature_grad_mult is None
    assert "freeze_cnn" not in new.to_dict()
