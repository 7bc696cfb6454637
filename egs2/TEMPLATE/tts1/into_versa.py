#!/usr/bin/env python3
"""Put the metric `distilmos` into a checkout of VERSA, or take it away.

    egs2/TEMPLATE/tts1/into_versa.py VERSA
    versa-score --score_config VERSA/egs/separate_metrics/distilmos.yaml ...
    egs2/TEMPLATE/tts1/into_versa.py --undo VERSA

Three files are added (the metric, a score config, a test), and two get an entry: the
list of metrics in versa/__init__.py and the table in docs/supported_metrics.md. Nothing
is overwritten; --undo leaves every byte as it was. To do either twice is no mistake.
Needs only Python; the metric itself needs espnet2-distilmos where VERSA runs.
"""

import argparse
import ast
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Path in VERSA -> the file here.
METRIC = "versa/utterance_metrics/distilmos.py"
TEST = "test/test_metrics/test_distilmos.py"
FILES = {
    METRIC: f"versa/{METRIC}",
    "egs/separate_metrics/distilmos.yaml": "conf/versa_distilmos.yaml",
    TEST: f"versa/{TEST}",
}
INIT, SHARED = "versa/__init__.py", "versa/scorer_shared.py"
TABLE = "docs/supported_metrics.md"
ENTRY = """\
_optional_metric_import(
    "versa.utterance_metrics.distilmos",
    ("DistilMOSMetric", "register_distilmos_metric"),
    "Please install espnet2-distilmos and retry",
)
"""
ROW = (
    "|   | DistilMOS (fine-tuned SSL with layer-wise self-distillation) | distilmos "
    "| distilmos | espnet2-distilmos | [paper](https://arxiv.org/abs/2601.13700) |"
)
# These lines hold the hash of what stands before them: they tell ours from any other.
MARK = "# Put here by into_versa.py of DistilMOS, which takes it away with --undo: "
BEGIN = "# The metric of DistilMOS.\n"


class Refused(Exception):
    """What is said in one line."""


def marked(text):
    """`text` and a line with its hash."""
    return f"{text}{MARK}{hashlib.sha256(text.encode()).hexdigest()}\n"


def is_ours(text):
    """Whether `text` is what :func:`marked` gave, of this version or another."""
    body, found, _ = text.rpartition(MARK)
    return bool(found) and text == marked(body)


def read(path):
    """The text of a file with its own line ends.

    Raises:
        Refused: none, or no text.
    """
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as e:
        raise Refused(f"{path}: cannot be read ({e})") from e


def write(path, text):
    """Write a file whole or not at all, with the permissions it had."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


class Checkout:
    """A checkout of VERSA.

    Raises:
        Refused: none, one that finds its metrics in another way, or one with links
            where we would write.
    """

    def __init__(self, root):
        self.root = root
        unlike = f"{root}: not a checkout of VERSA that is understood here"
        for name in (*FILES, INIT, SHARED, TABLE):
            path = root / name
            needed = path.parent if name in FILES else path
            if not needed.exists():
                raise Refused(f"{unlike}: no {needed.relative_to(root)}")
            if path.resolve() != root.resolve() / name:
                raise Refused(
                    f"{path}: is a link or below one, nothing is written there"
                )
        self.init, self.table = read(root / INIT), read(root / TABLE)
        if "_create_populated_registry" not in read(root / SHARED):
            raise Refused(f"{unlike}: {SHARED} collects no register_NAME_metric")
        self.entry = self.our_entry()
        try:
            tree = ast.parse(self.init.replace(self.entry, ""))
        except SyntaxError as e:
            raise Refused(f"{unlike}: {INIT}: {e}") from e
        if not any(
            isinstance(node, ast.FunctionDef)
            and node.name == "_optional_metric_import"
            and len(node.args.args) == 3
            for node in tree.body
        ):
            raise Refused(
                f"{unlike}: {INIT} has no _optional_metric_import of three arguments"
            )
        if any(
            isinstance(node, ast.Constant) and "distilmos" in str(node.value).lower()
            for node in ast.walk(tree)
        ):
            raise Refused(f"{root / INIT}: has an entry for distilmos that is not ours")
        self.rows = self.numbered_rows()
        if not self.rows:
            raise Refused(f"{unlike}: {TABLE} has no table of independent metrics")

    def end_of_line(self, text):
        """How lines end in `text`."""
        return "\r\n" if "\r\n" in text else "\n"

    def our_entry(self):
        """What of versa/__init__.py is ours; empty if nothing is."""
        begin = self.init.find(BEGIN.rstrip("\n"))
        mark = self.init.find(MARK, max(begin, 0))
        if begin < 0 and mark < 0:
            return ""
        end = self.init.find("\n", mark) + 1
        entry = self.init[begin:end]
        if begin < 0 or mark < 0 or not is_ours(entry.replace("\r\n", "\n")):
            raise Refused(
                f"{self.root / INIT}: the entry of distilmos is not as into_versa.py "
                "left it; take it away yourself"
            )
        return entry

    def numbered_rows(self):
        """The rows of the first table that are numbered, with their line ends."""
        first = self.table.partition("### Dependent Metrics")[0]
        lines = first.splitlines(keepends=True)
        return [line for line in lines if re.match(r"\| *\d+ *\|", line)]

    def our_row(self):
        """The row of the table that is ours; empty if none is."""
        ours = [row for row in self.rows if "| distilmos | distilmos |" in row]
        return ours[0] if ours else ""

    def theirs(self):
        """Files in our places that are not ours."""
        paths = [self.root / name for name in FILES]
        return [p for p in paths if os.path.lexists(p) and not is_ours(read(p))]

    def put_in(self):
        """Add what is not there; returns the names of what was written."""
        for path in self.theirs():
            raise Refused(f"{path}: is there already, and not by into_versa.py")
        # The last row, so that no other changes its number.
        last = (self.rows if not self.our_row() else [self.our_row()])[-1]
        number = int(re.search(r"\d+", last)[0])
        for text, name in ((self.init, INIT), (last, TABLE)):
            if not text.endswith("\n"):
                raise Refused(f"{self.root / name}: does not end with a whole line")
        written = []

        def put(name, old, new):
            if old != new:
                write(self.root / name, new)
                written.append(name)

        for name, source in FILES.items():
            path = self.root / name
            put(
                name, read(path) if path.exists() else None, marked(read(HERE / source))
            )
        if not self.our_row():
            row = f"| {number + 1} {ROW}{self.end_of_line(self.table)}"
            put(TABLE, self.table, self.table.replace(last, last + row, 1))
        # Last: from here on VERSA imports the metric.
        entry = marked(BEGIN + ENTRY).replace("\n", self.end_of_line(self.init))
        if self.entry:
            put(INIT, self.init, self.init.replace(self.entry, entry, 1))
        else:
            put(INIT, self.init, self.init + entry)
        return written

    def take_away(self):
        """Undo :meth:`put_in`; returns the names of what was changed."""
        for path in self.theirs():
            raise Refused(
                f"{path}: not as into_versa.py left it; take it away yourself"
            )
        changed = []
        for name, text, ours in (
            (INIT, self.init, self.entry),
            (TABLE, self.table, self.our_row()),
        ):
            if ours:
                write(self.root / name, text.replace(ours, "", 1))
                changed.append(name)
        for name in FILES:
            if (self.root / name).exists():
                (self.root / name).unlink()
                changed.append(name)
        return changed


def get_parser():
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--undo", action="store_true", help="Take it away")
    parser.add_argument("versa", metavar="VERSA", type=Path, help="The checkout")
    return parser


def main():
    """Put in or take away; returns the exit code."""
    args = get_parser().parse_args()
    try:
        checkout = Checkout(args.versa)
        names = checkout.take_away() if args.undo else checkout.put_in()
    except (Refused, OSError) as e:
        print(f"into_versa.py: error: {e}", file=sys.stderr)
        return 1
    what = "taken away from" if args.undo else "put into"
    if not names:
        print(f"into_versa.py: {args.versa}: nothing to do")
    else:
        print(f"into_versa.py: {what} {args.versa}: {' '.join(names)}")
    if not args.undo:
        print(
            "next, in the environment of VERSA (pip install -e, or install it again):\n"
            f"  pip install {HERE.parents[2]}\n"
            f"  versa-score --score_config {args.versa}/egs/separate_metrics/"
            "distilmos.yaml --pred wav.scp --io soundfile --output_file result.txt"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
