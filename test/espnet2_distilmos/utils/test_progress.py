"""A line now and then where there is no terminal."""

import logging
import threading
import time

import pytest

from espnet2_distilmos.utils import progress as module
from espnet2_distilmos.utils.progress import duration, line, progress


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.05)


def tellers():
    return [t for t in threading.enumerate() if t.name == "progress"]


def test_a_line_says_how_many_are_done_of_how_many_and_what_is_left():
    assert line("clips", 3, 12, 60) == "clips: 3 of 12, 60 s gone, about 3 min left"
    assert (
        line("clips", 0, 2, 31) == "clips: 0 of 2, 31 s gone, time left not known yet"
    )
    assert [duration(s) for s in (99, 100, 5940, 7800)] == [
        *("99 s", "2 min", "99 min", "2 h 10 min")
    ]


def test_lines_come_while_one_item_is_worked_on(quick, caplog):
    caplog.set_level(logging.INFO)
    seen = []
    for item in progress(["a", "b"], "parts"):
        seen.append(item)
        time.sleep(0.2)
    assert seen == ["a", "b"]
    texts = [r.message for r in caplog.records]
    assert any(t.startswith("parts: 0 of 2, ") for t in texts)
    assert any(t.startswith("parts: 1 of 2, ") and "left" in t for t in texts)
    assert not tellers()


def test_quick_work_says_nothing(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert not caplog.records


def test_an_error_ends_the_lines(quick):
    with pytest.raises(ZeroDivisionError):
        for item in progress([1, 0], "numbers"):
            1 / item
    assert not tellers()
    with pytest.raises(TypeError, match="how many"):
        next(progress(iter([]), "numbers"))


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert list(progress([1, 2], "numbers")) == [1, 2]
    assert not tellers() and "numbers: 100%" in capsys.readouterr().err
