"""The upstream's configuration: what is taken, what is refused."""

import pytest

from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.utils.errors import UserError


def test_defaults_and_round_trip():
    conf = UpstreamConfig.from_dict({"upstream": "fbank", "extra_conf": None}, "here")
    assert conf.layers is None and conf.layerdrop is None and not conf.freeze
    assert conf.extra_conf == {}
    assert UpstreamConfig.from_dict(conf.to_dict(), "here") == conf


@pytest.mark.parametrize(
    "change, message",
    [
        ({"upstream": None}, "upstream: NAME"),
        ({"upstream": 3}, "upstream: NAME"),
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
