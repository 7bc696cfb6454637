"""Named upstreams: from S3PRL's cache, fetched once, or refused in one line."""

import hashlib
import time
from pathlib import Path

import pytest
import tiny_upstreams as tiny
from local_server import serving

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.network import ConnectionRefused, no_connections


@pytest.fixture(autouse=True)
def s3prl_cache(tmp_path, monkeypatch):
    from s3prl.util import download

    monkeypatch.setattr(download, "_download_dir", tmp_path / "cache")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path):
    """(address, requests) of a server with a WavLM, and a copy that breaks off."""
    content = Path(tiny.make("wavlm", tmp_path)["path_or_url"]).read_bytes()

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        half = len(content) // 2 if "cut" in request.path else len(content)
        request.wfile.write(content[:half])

    with serving(answer) as found:
        yield found


def test_fetched_once_then_from_the_cache(server, s3prl_cache):
    address, asked = server
    conf = {"upstream": "wavlm_url", "path_or_url": f"{address}/w.pt"}
    first = tiny.build(conf).fingerprint["weights_sha256"]
    with no_connections():  # as its owner scores with it
        assert tiny.build(conf).fingerprint["weights_sha256"] == first
    assert asked == ["/w.pt"]
    name = hashlib.sha256(conf["path_or_url"].encode()).hexdigest()
    assert (s3prl_cache / f"{name}.w.pt").is_file()


def test_what_breaks_off_is_not_kept(server, s3prl_cache):
    address, asked = server
    conf = {"upstream": "wavlm_url", "path_or_url": f"{address}/cut.pt"}
    with pytest.raises(UserError, match="cut.pt cannot be fetched .*broke off"):
        tiny.build(conf)
    assert asked == ["/cut.pt"]  # S3PRL would try twice
    assert not [f for f in s3prl_cache.iterdir() if f.suffix != ".lock"]


@pytest.mark.parametrize(
    "name", ["wavlm_base_plus", "hubert_base", "wav2vec2_base_960"]
)
def test_no_network_is_one_line(name, monkeypatch):
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(UserError) as e:
        tiny.build({"upstream": name})
    assert time.monotonic() - started < 10
    assert f"upstream {name}: its weights are not on this machine" in str(e.value)
    assert "path_or_url" in str(e.value) and str(e.value).isprintable()


def test_other_addresses_are_no_addresses(s3prl_cache):
    with pytest.raises(UserError, match="only http"):
        tiny.build({"upstream": "wavlm_url", "path_or_url": "file:///etc/hostname"})
    assert not [f for f in s3prl_cache.iterdir() if f.suffix != ".lock"]


@pytest.mark.parametrize(
    "conf",
    [
        {"upstream": "wavlm_url", "path_or_url": "{}/w.pt"},
        {"upstream": "wavlm_url", "path_or_url": "file:///etc/hostname"},
        {"upstream": "wavlm_base_plus"},
        {"upstream": "hf_wav2vec2_custom", "path_or_url": "someone/model"},
        {"upstream": "hf_wavlm_custom", "path_or_url": "someone/model"},
    ],
)
def test_nothing_is_fetched_for_a_model(server, s3prl_cache, conf):
    address, asked = server
    if "path_or_url" in conf:
        conf = {**conf, "path_or_url": conf["path_or_url"].format(address)}
    with (
        no_connections(),
        pytest.raises(ConnectionRefused, match="not on this mach"),
    ):
        tiny.build(conf)
    assert asked == [] and not list(s3prl_cache.glob("*.pt"))


def test_its_owner_scores_from_the_cache_of_the_hub(tmp_path, monkeypatch):
    """Who trained with a repository's model has it there."""
    import shutil

    from huggingface_hub import constants
    from transformers.utils import hub

    conf = tiny.make("hf_wavlm", tmp_path)
    top = tmp_path / "hub" / "models--someone--model"
    (top / "refs").mkdir(parents=True)
    (top / "refs" / "main").write_text("0" * 40)
    shutil.copytree(conf["path_or_url"], top / "snapshots" / ("0" * 40))
    for module, name in ((constants, "HF_HUB_CACHE"), (hub, "TRANSFORMERS_CACHE")):
        monkeypatch.setattr(module, name, str(tmp_path / "hub"), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with no_connections():
        named = tiny.build({**conf, "path_or_url": "someone/model"})
    expected = tiny.build(conf).fingerprint["weights_sha256"]
    assert named.fingerprint["weights_sha256"] == expected


def test_a_repository_without_a_network(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(UserError, match="the Hub does not answer .ConnectError"):
        tiny.build({"upstream": "hf_hubert_custom", "path_or_url": "someone/model"})
    assert time.monotonic() - started < 15
