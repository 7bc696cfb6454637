"""The one way to a terminal.

Names from outside must not command it, and no finished work is lost because of a
character that it cannot show.

Files keep names as they are; what is printed and logged shows them with escapes.
"""

import json
import logging
import sys
import unicodedata
from typing import Optional, TextIO

_PACKAGE = "espnet2_distilmos"
_OF_SEVERAL = {"": "", "is": "are", "was": "were", "has": "have", "does": "do"}


def one_line(text: str) -> str:
    r"""Return `text` with control characters as escapes.

    A name from a hostile list must neither start a new line nor reach the terminal as
    a command. Bytes of a file's name that are not UTF-8 become `\xe9`.
    """
    return "".join(c if _is_shown(c) else _escape(c) for c in text)


def printable(text: str) -> str:
    """Return `text`, its control characters but line ends and tabs as escapes."""
    return "".join(c if c in "\n\t" or _is_shown(c) else _escape(c) for c in text)


def json_line(text: str, encoding: str = "utf-8") -> str:
    r"""Return one JSON document with escapes of JSON's own for what cannot be shown.

    It means the same afterwards, which `\x1b` would not.

    Args:
        text: what `json.dumps` returned.
        encoding: of the stream; what it does not have is escaped, too.
    """
    shown = "".join(c if _is_shown(c) else json.dumps(c)[1:-1] for c in text)
    try:
        shown.encode(encoding)
        return shown
    except (UnicodeEncodeError, LookupError):
        return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in shown)


def counted(n: int, what: str, verb: str = "") -> str:
    """Return `1 file`, `2 files`; with the verb `is`: `1 file is`, `2 files are`."""
    if n == 1:
        return f"{n} {what} {verb}".rstrip()
    return f"{n} {what}s {_OF_SEVERAL[verb]}".rstrip()


def show(text: object = "", file: Optional[TextIO] = None, end: str = "\n") -> None:
    """Print text that may hold names from outside.

    Args:
        text: of one or several lines.
        file: None = stdout.
        end: as of `print`.
    """
    stream = sys.stdout if file is None else file
    shown = printable(str(text)) + end
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def guard_streams() -> None:
    """Let stdout and stderr escape what their encoding does not have.

    Under PYTHONIOENCODING=ascii, or another encoding than UTF-8, the first name with an
    accent would end the command when all its work is done.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class SafeRecord(logging.LogRecord):
    """A log record whose message shows control characters as escapes.

    Ours are one line each; other packages' may have several (ESPnet logs whole models).
    """

    def getMessage(self) -> str:  # noqa: N802 (logging's name)
        """See :class:`logging.LogRecord`."""
        text = super().getMessage()
        return one_line(text) if _PACKAGE in self.pathname else printable(text)


def guard_logging() -> None:
    """Make every record of this process a :class:`SafeRecord`."""
    logging.setLogRecordFactory(SafeRecord)


def _is_shown(c: str) -> bool:
    # Other blanks than the ASCII one are in many a file's name and do no harm.
    return c.isprintable() or unicodedata.category(c) == "Zs"


def _escape(c: str) -> str:
    if 0xDC80 <= ord(c) <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()
