"""Reaching out: only where the user asked for it, once, for a few seconds."""

import contextlib
import os
import socket
from contextvars import ContextVar
from typing import Any, Iterator, List, Optional
from unittest import mock

from espnet2_distilmos.utils.errors import UserError

# Seconds that a host has to answer, and that a download may stand still.
ANSWER = 5.0
STALL = 20.0
# Set to 1, what a model's own files name may be downloaded to score with it.
ALLOW = "DISTILMOS_ALLOW_DOWNLOAD"

# Hosts that were asked for while connections are refused; None = they are not.
_refused: ContextVar[Optional[List[str]]] = ContextVar("refused", default=None)


class ConnectionRefused(UserError):
    """Something wanted to reach out where that is not allowed."""


def downloads_allowed() -> bool:
    """Whether the user allows what a model's files name to be downloaded."""
    return os.environ.get(ALLOW, "").lower() in ("1", "true", "yes")


def refused_hosts() -> Optional[List[str]]:
    """Hosts that :func:`no_connections` has kept from being asked; None = outside."""
    return _refused.get()


@contextlib.contextmanager
def no_connections() -> Iterator[None]:
    """Inside, this thread neither looks up a host's name nor connects to one.

    The Hub's client and transformers, which have threads of their own, work from their
    caches. What tries to reach out gets a ConnectionError.
    """
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def refuse(host: Any) -> None:
        hosts = _refused.get()
        if hosts is not None:
            hosts.append(str(host))
            raise ConnectionError(f"{host}: connections are refused here")

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return look_up(host, *args, **kwargs)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refuse(address[0])
        connect(self, address)

    token = _refused.set([])
    try:
        with (
            mock.patch.object(socket, "getaddrinfo", guarded_look_up),
            mock.patch.object(socket.socket, "connect", guarded_connect),
            hub_offline(),
        ):
            yield
    finally:
        _refused.reset(token)


@contextlib.contextmanager
def hub_offline() -> Iterator[None]:
    """Inside, the Hub's client and transformers use their caches alone."""
    from huggingface_hub import constants

    with mock.patch.object(constants, "HF_HUB_OFFLINE", True):
        yield


def hub_silent(repo: str) -> Optional[str]:
    """Why the Hub cannot be asked for `repo`; None = it answers.

    The Hub's client tries again and again where there is no network, for half a minute
    and with two lines each time. So it is asked once before.
    """
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        HfApi().repo_info(repo, timeout=ANSWER)
    except Exception as e:
        # A refusal is an answer, too: no such repository, no access.
        if getattr(e, "response", None) is not None:
            return None
        return brief(e)
    return None


@contextlib.contextmanager
def hub_or_cache(repo: str) -> Iterator[Optional[str]]:
    """The Hub's client as usual where the Hub answers, else with its cache alone.

    Yields:
        Why the Hub cannot be asked, or None.
    """
    reason = "not asked" if refused_hosts() is not None else hub_silent(repo)
    with contextlib.nullcontext() if reason is None else hub_offline():
        yield reason


def brief(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    name = type(error).__name__
    return f"{name}: {lines[0][:150]}" if lines else name
