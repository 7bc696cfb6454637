"""Fixtures of the shell tests."""

import signal

import pytest


@pytest.fixture(autouse=True)
def signals_of_a_terminal():
    """Let scripts hear SIGINT and SIGHUP, which `nohup` and `&` make them ignore."""
    ignored = [
        number
        for number in (signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
