"""Connections that are refused, and a Hub that does not answer."""

import socket
import threading
import time
import urllib.request

import pytest
from local_server import serving

from espnet2_distilmos.utils.network import (
    ALLOW,
    downloads_allowed,
    hub_or_cache,
    hub_silent,
    no_connections,
    refused_hosts,
)


@pytest.fixture
def server():
    """(address, paths that were asked for) of a server that knows nothing."""
    with serving(lambda request: request.send_error(404)) as found:
        yield found


@pytest.fixture
def online(monkeypatch):
    """Function: let the Hub's client think that this address is the Hub."""
    from huggingface_hub import constants

    def at(address):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)

    return at


def test_no_connections(server):
    address, asked = server
    host, port = address.removeprefix("http://").split(":")
    assert refused_hosts() is None
    with no_connections():
        with pytest.raises(OSError):
            urllib.request.urlopen(f"{address}/x", timeout=5)
        with pytest.raises(ConnectionError, match="refused here"):
            socket.create_connection(("beacon.example", 80), timeout=5)
        with pytest.raises(ConnectionError), socket.socket() as plain:
            plain.connect((host, int(port)))
        assert refused_hosts()[1:] == ["beacon.example", host]
        from huggingface_hub import constants

        assert constants.HF_HUB_OFFLINE
        # Another thread, say of a server that loads a model, goes on.
        other = threading.Thread(
            target=lambda: socket.create_connection((host, int(port))).close()
        )
        other.start()
        other.join()
        left, right = socket.socketpair()  # no network
        left.close(), right.close()
    assert refused_hosts() is None and asked == []
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{address}/x", timeout=5)
    assert asked == ["/x"]


def test_the_hub_is_asked_once(server, online, caplog):
    from huggingface_hub import constants

    address, asked = server
    online(address)
    assert hub_silent("a/b") is None  # "no such repository" is an answer
    assert asked.count("/api/models/a/b") == 1
    with hub_or_cache("a/b") as silent:
        assert silent is None and not constants.HF_HUB_OFFLINE


def test_a_hub_that_does_not_answer(online, caplog):
    from huggingface_hub import constants, hf_hub_download

    online("http://127.0.0.1:9")
    started = time.monotonic()
    with hub_or_cache("a/b") as silent:
        assert "ConnectError" in silent and constants.HF_HUB_OFFLINE
        with pytest.raises(Exception, match="cache|offline"):
            hf_hub_download("a/b", "config.yaml")
    assert time.monotonic() - started < 5  # 25 s by its own retries
    assert not constants.HF_HUB_OFFLINE and caplog.text == ""


@pytest.mark.parametrize("value, allowed", [("", 0), ("0", 0), ("1", 1), ("true", 1)])
def test_downloads_are_allowed_by_hand(monkeypatch, value, allowed):
    monkeypatch.delenv(ALLOW, raising=False)
    assert not downloads_allowed()
    monkeypatch.setenv(ALLOW, value)
    assert downloads_allowed() == bool(allowed)
