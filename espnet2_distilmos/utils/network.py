"""Reaching out: only where the user asked for it, once, for a few seconds."""

import contextlib
import functools
import os
import socket
import sys
import threading
from contextvars import ContextVar
from typing import Iterator, List, Optional, Tuple
from unittest import mock

from espnet2_distilmos.utils.errors import UserError

# Seconds that a host has to answer, and that a download may stand still.
ANSWER = 5.0
STALL = 20.0
# Set to 1, what a model's own files name may be downloaded to score with it.
ALLOW = "DISTILMOS_ALLOW_DOWNLOAD"

# Hosts that were asked for while connections are refused; None = they are not.
_refused: ContextVar[Optional[List[str]]] = ContextVar("refused", default=None)

_changing = threading.RLock()


class ConnectionRefused(UserError):
    """Something wanted to reach out where that is not allowed."""


def downloads_allowed() -> bool:
    """Tell whether the user allows what a model's files name to be downloaded."""
    return os.environ.get(ALLOW, "").lower() in ("1", "true", "yes")


def refused_hosts() -> Optional[List[str]]:
    """Return hosts that :func:`no_connections` refused; None = outside."""
    return _refused.get()


@contextlib.contextmanager
def no_connections() -> Iterator[None]:
    """Keep this thread from looking up hosts' names and connecting to them.

    The Hub's client and transformers, which have threads of their own, work from their
    caches. What tries to reach out gets a ConnectionError. One thread at a time; others
    wait.
    """
    _watch_connections()
    with hub_offline():
        token = _refused.set([])
        try:
            yield
        finally:
            _refused.reset(token)


@functools.cache
def _watch_connections() -> None:
    # An audit hook sees what any library does, and stays for good: it must be quick.
    sys.addaudithook(_refuse)


def _refuse(event: str, args: Tuple) -> None:
    """Stop what reaches out in a thread (strictly, a context) where that is refused."""
    if not event.startswith("socket."):
        return
    hosts = _refused.get()
    if hosts is None:
        return
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = args[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
        if args[0].family == socket.AF_UNIX or not isinstance(address, tuple):
            return
        host = address[0]
    else:
        return
    hosts.append(str(host))
    raise ConnectionError(f"{host}: connections are refused here")


@contextlib.contextmanager
def hub_offline() -> Iterator[None]:
    """Make the Hub's client and transformers use their caches alone."""
    from huggingface_hub import constants

    # Two threads that end in another order than they began would leave it changed.
    with _changing, mock.patch.object(constants, "HF_HUB_OFFLINE", True):
        yield


def hub_silent(repo: str) -> Optional[str]:
    """Return why the Hub cannot be asked for `repo`; None = it answers.

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
    """Use the Hub's client as usual where the Hub answers, else its cache alone.

    Yields:
        Why the Hub cannot be asked, or None.
    """
    reason = "not asked" if refused_hosts() is not None else hub_silent(repo)
    with contextlib.nullcontext() if reason is None else hub_offline():
        yield reason


def brief(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    name = type(error).__name__
    return f"{name}: {lines[0][:150]}" if lines else name
