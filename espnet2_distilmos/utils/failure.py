"""Why a job failed, from what it left: its exit code and its log."""

import re
import signal
from collections import deque
from pathlib import Path
from typing import Dict, List, Optional

from espnet2_distilmos.utils.files import PathLike

READ = 2000  # lines at the end of a log that are looked through
TAIL = 10  # lines of a log that are shown where no reason stands in it

# What our runner and ESPnet's (run.pl; queue.pl and its like) write last.
_ENDED = re.compile(
    r"^# (?:Ended \((?:stopped, )?code (?P<a>\d+)\)"
    r"|Finished at .* with status (?P<b>\d+)"
    r"|Accounting: .* status=(?P<c>\d+))"
)
# torch.distributed.run, of one of its processes; the others it ends by SIGTERM itself.
_CHILD = re.compile(r"exitcode *: *-(?!15\b)(\d+)")
_ERROR = re.compile(r"(?:^|: )error: (.*)")
# The last line of a traceback: `RuntimeError: ...`, `torch.OutOfMemoryError: ...`.
_RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?::.*)?$")


def killed_by(number: int) -> str:
    """Return a signal in words: `killed by signal 9 (SIGKILL: out of memory?)`."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"killed by signal {number}"
    hint: Dict[int, str] = {
        signal.SIGKILL: ": out of memory?",
        signal.SIGXCPU: ": out of time",
    }
    return f"killed by signal {number} ({name}{hint.get(number, '')})"


def ended_with(code: int) -> str:
    """Return an exit code, of a shell (128 + N) or of Python (-N), in words."""
    if code < 0:
        return killed_by(-code)
    return killed_by(code - 128) if 128 < code < 128 + 65 else f"ended with code {code}"


def why_failed(log: PathLike, code: Optional[int] = None) -> str:
    """Return one line on why a job failed.

    Args:
        log: of the job; it need not be there.
        code: exit code of what started the job, if it is known.
    """
    lines = last_lines(log, READ)
    for line in reversed(lines):
        if match := _ENDED.match(line):
            ended = int(next(x for x in match.groups() if x is not None))
            # 1 and 2 are the job's own way to say that it failed, and it has said why.
            if ended > 128:
                return ended_with(ended)
            code = code if ended == 0 else ended
            break
    for line in lines:
        if match := _CHILD.search(line):
            return f"a process was {killed_by(int(match.group(1)))}"
    for line in reversed(lines):
        if match := _ERROR.search(line):
            return match.group(1)
        if _RAISED.match(line):
            return line
    if code is None:
        return "no reason was given"
    return ended_with(code) + ("" if code > 128 else ", no reason was given")


def last_lines(log: PathLike, n: int = TAIL) -> List[str]:
    """Return the last lines of a log; none where there is no log."""
    if not Path(log).is_file():
        return []
    with open(log, encoding="utf-8", errors="replace") as f:
        return [line.rstrip() for line in deque(f, n)]
