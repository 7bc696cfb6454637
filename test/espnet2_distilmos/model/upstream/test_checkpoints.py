"""Checkpoints: what is refused before it can do harm, and what takes a local path."""

import json
import shutil
from pathlib import Path

import pytest
import tiny_upstreams as tiny
import torch

from espnet2_distilmos.model.upstream.checkpoint import checkpoint_sha256
from espnet2_distilmos.model.upstream.config import UpstreamConfig
from espnet2_distilmos.model.upstream.espnet_hubert import check_espnet_weights
from espnet2_distilmos.model.upstream.safe_load import require_harmless, safe_loading
from espnet2_distilmos.utils.errors import UserError


def attack(mark: Path) -> str:
    return f"[(8,10,5)] if open({str(mark)!r}, 'w') else []"


@pytest.mark.parametrize("family", ["wavlm", "hubert", "wav2vec2", "data2vec"])
def test_layers_that_would_run_as_code_are_refused(family, tmp_path):
    conf = tiny.make(family, tmp_path)
    content = torch.load(conf["path_or_url"], weights_only=True)
    cfg = content["cfg" if family == "wavlm" else "model_cfg"]
    cfg["conv_feature_layers"] = attack(tmp_path / "mark")
    torch.save(content, conf["path_or_url"])
    with pytest.raises(UserError, match="conv_feature_layers is no list of layers"):
        tiny.build(**conf)
    assert not (tmp_path / "mark").exists()


def test_so_are_those_of_a_downloaded_checkpoint(tmp_path, monkeypatch):
    """S3PRL downloads, reads and evaluates in one call."""
    from s3prl.upstream.hubert import hubconf

    path = tiny.make("hubert", tmp_path)["path_or_url"]
    monkeypatch.setattr(hubconf, "_urls_to_filepaths", lambda *_, **__: path)
    assert tiny.build(upstream="hubert_base").n_blocks == 3
    content = torch.load(path, weights_only=True)
    content["model_cfg"]["conv_feature_layers"] = attack(tmp_path / "mark")
    torch.save(content, path)
    with pytest.raises(UserError, match="would run"):
        tiny.build(upstream="hubert_base")
    assert not (tmp_path / "mark").exists()


class Pickled:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


def test_pickled_code_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"cfg": {}, "model": Pickled(tmp_path / "mark")}, path)
    with pytest.raises(UserError, match="more than weights and plain types"):
        tiny.build(upstream="wavlm_local", path_or_url=str(path))
    assert not (tmp_path / "mark").exists()


def test_torch_load_is_guarded_inside_only(tmp_path):
    torch.save({"x": Pickled(tmp_path / "mark")}, tmp_path / "x.pt")
    before = torch.load
    with pytest.raises(UserError), safe_loading():
        # Also where the caller asks for less.
        torch.load(tmp_path / "x.pt", weights_only=False)
    assert torch.load is before
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "text, harmless",
    [
        (tiny.CONV, True),
        ("[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]", True),
        ("[(1,1,1)] * 9**9**9", False),
        ("[(1,1,1)] + x", False),
        ("exit()", False),
    ],
)
def test_what_is_harmless(text, harmless):
    content = {"a": [{"model": {"conv_feature_layers": text, "encoder_layers": 3}}]}
    if harmless:
        require_harmless(content, "x.pt")
    else:
        with pytest.raises(UserError, match="^x.pt: conv_feature_layers"):
            require_harmless(content, "x.pt")


@pytest.mark.parametrize("key", ["hooks", "legacy", "fairseq", "model_config"])
def test_arguments_that_run_code_are_refused(key):
    with pytest.raises(UserError, match=f"extra_conf must be without {key}"):
        UpstreamConfig.from_dict(
            {"upstream": "hubert_local", "extra_conf": {key: True}}, "test"
        )


def test_the_configuration_refuses_contradictions():
    with pytest.raises(UserError, match="freeze_cnn is an older name of feature_gr"):
        UpstreamConfig.from_dict(
            {"upstream": "x", "freeze_cnn": True, "feature_grad_mult": 0.1}, "test"
        )
    for name in ("freeze_cnn", "gradient_checkpointing"):
        with pytest.raises(UserError, match=f"{name} must be true or false, not 1"):
            UpstreamConfig.from_dict({"upstream": "x", name: 1}, "test")


# A local path works everywhere.


@pytest.mark.parametrize(
    "name, family",
    [
        ("wavlm_base_plus", "wavlm"),
        ("contentvec", "hubert"),
        ("hubert_custom", "hubert"),
        ("xls_r_300m", "wav2vec2"),
        ("data2vec_base_960", "data2vec"),
    ],
)
def test_a_path_takes_the_place_of_a_download(name, family, tmp_path):
    conf = tiny.make(family, tmp_path)
    named = tiny.build(upstream=name, path_or_url=conf["path_or_url"])
    assert type(named) is type(tiny.build(**conf))
    keys = ("weights_sha256", "checkpoint_sha256")
    assert [named.fingerprint[k] for k in keys] == [
        tiny.build(**conf).fingerprint[k] for k in keys
    ]
    with pytest.raises(UserError, match="no such upstream checkpoint"):
        tiny.build(upstream=name, path_or_url=str(tmp_path / "none.pt"))


def test_a_path_that_would_be_overlooked_is_refused(tmp_path):
    path = tiny.make("wavlm", tmp_path)["path_or_url"]
    with pytest.raises(UserError, match="fbank takes no path_or_url"):
        tiny.build(upstream="fbank", path_or_url=path)


def test_a_checkpoint_of_another_family_is_named(tmp_path):
    path = tiny.make("hubert", tmp_path)["path_or_url"]
    with pytest.raises(
        UserError, match="hubert_post.pt: no checkpoint for wavlm_local"
    ):
        tiny.build(upstream="wavlm_local", path_or_url=path)


# Folders of transformers.


def test_transformers_folders_must_be_of_the_entry_s_type(tmp_path):
    conf = tiny.make("hf_wavlm", tmp_path)
    with pytest.raises(UserError, match="a wavlm model; use `upstream: hf_wavlm_cus"):
        tiny.build(upstream="hf_wav2vec2_custom", path_or_url=conf["path_or_url"])
    config = Path(conf["path_or_url"]) / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "model_type": "bert"}))
    with pytest.raises(UserError, match="bert models are not supported"):
        tiny.build(**conf)
    with pytest.raises(UserError, match="needs path_or_url"):
        tiny.build(upstream="hf_hubert_custom")


def test_transformers_folders_must_say_how_to_normalise(tmp_path):
    conf = tiny.make("hf_hubert", tmp_path)
    preprocessor = Path(conf["path_or_url"]) / "preprocessor_config.json"
    content = json.loads(preprocessor.read_text())
    preprocessor.write_text(json.dumps({**content, "sampling_rate": 8000}))
    with pytest.raises(UserError, match="a model for 8000 Hz"):
        tiny.build(**conf)
    preprocessor.unlink()
    with pytest.raises(UserError, match="no preprocessor_config.json"):
        tiny.build(**conf)


def test_half_precision_is_brought_to_single(tmp_path):
    from transformers import HubertModel

    conf = tiny.make("hf_hubert", tmp_path)
    model = HubertModel.from_pretrained(conf["path_or_url"])
    model.bfloat16().save_pretrained(conf["path_or_url"])
    upstream = tiny.build(**conf)
    assert {p.dtype for p in upstream.parameters()} == {torch.float32}


def test_checkpoint_sha256_of_folders(tmp_path):
    path = Path(tiny.make("hf_hubert", tmp_path)["path_or_url"])
    moved = shutil.copytree(path, tmp_path / "moved")
    assert checkpoint_sha256(str(path)) == checkpoint_sha256(str(moved))
    with open(moved / "preprocessor_config.json", "a") as f:
        f.write(" ")
    assert checkpoint_sha256(str(path)) != checkpoint_sha256(str(moved))
    assert checkpoint_sha256("facebook/hubert-base-ls960") is None
    assert checkpoint_sha256(None) is None


def test_espnet_checkpoints_must_hold_every_weight():
    """ESPnet loads with strict=False: what is missing would stay random."""
    conv = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(1, 1, 3))
    prefix = "encoder.hubert_pretrain_model."
    keys = [prefix + key for key in conv.state_dict()]
    check_espnet_weights(conv, keys, "x.pth")
    old = [k.replace("parametrizations.weight.original", "weight_") for k in keys]
    old = [
        k.replace("weight_0", "weight_g").replace("weight_1", "weight_v") for k in old
    ]
    check_espnet_weights(conv, old, "x.pth")
    with pytest.raises(UserError, match="x.pth: no encoder.hubert_pretrain_model.bias"):
        check_espnet_weights(conv, keys[1:], "x.pth")
