"""Names from outside on a terminal, and streams that cannot show them."""

import ast
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import espnet2_distilmos
from espnet2_distilmos.utils.terminal import (
    SafeRecord,
    json_line,
    one_line,
    printable,
    show,
)

PACKAGE = Path(espnet2_distilmos.__file__).parent


@pytest.mark.parametrize(
    "name, shown",
    [
        ("plain é 日本.wav", "plain é 日本.wav"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\nerror: b", r"a\nerror: b"),
        ("a\rb\tc", r"a\rb\tc"),
        ("c1 \x9b2J", r"c1 \x9b2J"),
        ("right to left \u202egpj.wav", r"right to left \u202egpj.wav"),
        ("line \u2028 end", r"line \u2028 end"),
        ("blanks \u3000 \xa0", "blanks \u3000 \xa0"),
        ("caf\udce9", r"caf\xe9"),
        ("lone \ud800", r"lone \ud800"),
    ],
)
def test_one_line(name, shown):
    assert one_line(name) == shown
    assert printable(name) == shown.replace(r"\n", "\n").replace(r"\t", "\t")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "no such"])
def test_json_means_the_same(encoding):
    row = {"file": "é 日 \x1b[31m \x9b \u202e \U000e0001 😀 \udce9"}
    line = json_line(json.dumps(row, ensure_ascii=False), encoding)
    assert json.loads(line) == row
    assert line.isprintable()
    line.encode("ascii" if encoding == "no such" else encoding)
    assert ("日" in line) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_nothing_is_lost_to_an_encoding(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    show("é 日 –\x1b", stream)
    text = raw.getvalue().decode(encoding)
    assert text.endswith("\\x1b\n") and text.count("\n") == 1
    assert ("日" in text) == (encoding == "utf-8") != (r"\u65e5" in text)
    assert ("é" in text) == (encoding != "ascii")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_others_print_is_not_lost_either(encoding):
    code = (
        "from espnet2_distilmos.utils.command import run\n"
        "run(lambda cmd: print('日本 done'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONIOENCODING": encoding, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (0, b"\\u65e5\\u672c done\n")


def record(pathname, message, *args):
    return SafeRecord("root", logging.INFO, pathname, 1, message, args, None)


def test_log_records():
    ours = record(str(PACKAGE / "x.py"), "read %s", "a\nb\x1b")
    assert ours.getMessage() == r"read a\nb\x1b"
    # ESPnet logs a model in many lines.
    theirs = record("/site-packages/espnet2/tasks/abs_task.py", "Model(\n  x\x1b)")
    assert theirs.getMessage() == "Model(\n  x\\x1b)"


# What writes to the streams itself: the module above, and the names of commands.
ALLOWED = {"utils/terminal.py", "bin/main.py"}


def test_all_else_goes_through_it():
    """No print() and no write() to a stream elsewhere in the package."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "sys.stdout.write",
                "sys.stderr.write",
                "sys.stdout.buffer.write",
            ):
                found.append(f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}")
    assert any(line.startswith("bin/main.py") for line in found)  # it does look
    assert [x for x in found if x.split(":")[0] not in ALLOWED] == []
