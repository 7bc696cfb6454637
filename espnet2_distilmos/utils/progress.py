"""How far long work has come: a bar on a terminal, elsewhere a line now and then."""

import logging
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Optional, TypeVar

Item = TypeVar("Item")

# Seconds between two lines where there is no terminal. They are told by a clock of
# their own, not when an item ends: one item may take minutes.
EVERY = 30.0


def duration(seconds: float) -> str:
    """Return a length of time for people: `40 s`, `5 min`, `2 h 10 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def line(title: str, done: int, total: int, seconds: float) -> str:
    """Return one line: what is done after `seconds`, of how much, and the time left."""
    left = "time left not known yet"
    if done:
        left = f"about {duration(seconds / done * (total - done))} left"
    return f"{title}: {done} of {total}, {duration(seconds)} gone, {left}"


def progress(
    items: Iterable[Item], title: str, total: Optional[int] = None
) -> Iterator[Item]:
    """Yield `items` one by one, and tell how many are done.

    An item counts as done when the next one is asked for.

    Args:
        items: what is worked on, or results as they come.
        title: what is done, in a word or two.
        total: how many there are; None = `len(items)`.

    Raises:
        TypeError: no total, and items without a length.
    """
    if total is None:
        if not isinstance(items, Collection):
            raise TypeError(f"{title}: how many items are there?")
        total = len(items)
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, title, total)
        return
    started, done, ended = time.monotonic(), 0, threading.Event()

    def tell() -> None:
        while not ended.wait(EVERY):
            logging.info(line(title, done, total, time.monotonic() - started))

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        for item in items:
            yield item
            done += 1
    finally:
        ended.set()
        teller.join()
