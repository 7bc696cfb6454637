#!/usr/bin/env python3
"""Show how far jobs have come, from what they write to their logs.

    follow.py PARENT LOG...

prints the lines of progress (espnet2_distilmos/utils/progress.py) and the epochs of a
training that are added to the logs from now on; logs may come into being later. When it
has seen how far they are now it writes an empty line to descriptor 3, which stays open
until it ends. It goes on until it is told to stop (SIGTERM), shows what was written
until then, and ends in any case when its parent, process PARENT, has ended. Standard
library only, Python 3.9 or newer.
"""

import os
import re
import signal
import sys
import threading

EVERY = 1.0  # seconds between two looks
HEAD = 200  # bytes by which a log that was begun anew is told
PROGRESS = re.compile(r"\(progress:\d+\) INFO: (.*)")
STARTED = re.compile(r" INFO: (\d+)/(\d+)epoch started")
LEFT = re.compile(r"Estimated time to finish: (.*)")
RESULTS = re.compile(r" INFO: (\d+)epoch results: (.*)")
# What is shown of an epoch: part of the reporter's line, key, name.
SHOWN = (
    ("train", "loss", "training loss"),
    ("valid", "loss", "validation loss"),
    ("valid", "mos_loss", "regression"),
    ("valid", "srcc", "SRCC"),
    ("valid", "token_acc", "token accuracy"),
)


class Log:
    """One log, read as it grows.

    Args:
        path: its name; the file need not be there yet.
    """

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)
        self.head, self.rest, self.last_epoch = b"", "", ""
        self.place = os.path.getsize(path) if os.path.isfile(path) else 0
        if self.place:
            with open(path, "rb") as f:
                self.head = f.read(min(HEAD, self.place))

    def new_lines(self):
        """Whole lines that were added since the last call."""
        try:
            with open(self.path, "rb") as f:
                head = f.read(len(self.head))
                size = os.fstat(f.fileno()).st_size
                if head != self.head or size < self.place:
                    self.place, self.rest = 0, ""  # begun anew
                f.seek(0)
                self.head = f.read(min(HEAD, size))
                f.seek(self.place)
                added = f.read()
                self.place += len(added)
        except FileNotFoundError:
            return []
        *lines, self.rest = (self.rest + added.decode("utf-8", "replace")).split("\n")
        return lines

    def shown(self, text):
        """What to print of a line of the log; None for most."""
        if found := PROGRESS.search(text):
            return f"{self.name}: {found.group(1)}"
        if found := STARTED.search(text):
            number, self.last_epoch = found.groups()
            left = LEFT.search(text)
            left = f", about {left.group(1)} left" if left else ""
            return f"{self.name}: epoch {number} of {self.last_epoch} started{left}"
        if found := RESULTS.search(text):
            return f"{self.name}: {epoch(*found.groups(), self.last_epoch)}"
        return None


def epoch(number, results, last):
    """A line on an epoch of ESPnet's trainer, from its own."""
    parts = {
        part: dict(re.findall(r"(\w+)=([-+.\de]+|nan|inf)", values))
        for part, values in re.findall(r"\[(\w+)\]([^\[]*)", results)
    }
    known = [
        f"{name} {parts[part][key]}"
        for part, key, name in SHOWN
        if key in parts.get(part, {})
    ]
    return f"epoch {number}{f' of {last}' if last else ''}: {', '.join(known)}"


def main(parent, *paths):
    """Follow the logs until SIGTERM, or until process `parent` is no more ours."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    logs = [Log(path) for path in paths]
    os.write(3, b"\n")
    ended = False
    while True:
        for log in logs:
            for text in log.new_lines():
                if (line := log.shown(text)) is not None:
                    print(line, flush=True)
        if ended or os.getppid() != int(parent):
            return
        ended = stop.wait(EVERY)


if __name__ == "__main__":
    main(*sys.argv[1:])
