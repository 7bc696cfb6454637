"""Who may import whom: the rooms of doc/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PACKAGE = "espnet2_distilmos"
# Each room may import those before it, and itself.
ROOMS = (
    *("utils", "scoring", "report", "page", "corpora", "model", "tokens", "packs"),
    *("train", "tasks", "inference", "tts", "bin"),
)
# The rooms that a scorer loads: none of these may need ESPnet, not even late.
WITHOUT_ESPNET = (
    *("utils", "scoring", "report", "page", "corpora", "model", "tokens", "packs"),
    *("inference", "tts"),
)


def modules_of(package):
    """Every module of a package: (its dotted name, its syntax tree)."""
    for path in sorted((REPO / package).rglob("*.py")):
        parts = path.relative_to(REPO).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text())


def imports_of(tree):
    """What a module imports, anywhere in it: `a.b` and `a.b.name` of every name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A folder that can be put among S3PRL's, whose imports are such.
            if (node.level, node.module) == (1, "expert"):
                continue
            if node.level:  # files that S3PRL could take as they are
                continue
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module):
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else None


def test_every_room_is_known():
    folders = {path.parent.name for path in (REPO / PACKAGE).glob("*/__init__.py")}
    assert folders == set(ROOMS)


def test_no_room_imports_a_later_one():
    upwards = {
        f"{name} imports {other}"
        for name, tree in modules_of(PACKAGE)
        for other in imports_of(tree)
        if room(name) in ROOMS
        and room(other) in ROOMS
        and ROOMS.index(room(other)) > ROOMS.index(room(name))
    }
    assert not upwards


def test_the_package_never_imports_the_demonstration():
    demonstration = {
        f"{name} imports {other}"
        for name, tree in modules_of(PACKAGE)
        for other in imports_of(tree)
        if other.split(".")[0] == "mini_mos"
    }
    assert not demonstration


@pytest.mark.parametrize("package", [PACKAGE, "mini_mos"])
def test_no_two_modules_import_each_other(package):
    """Not even late, inside a function: of two modules one needs the other."""
    trees = dict(modules_of(package))
    edges = {
        name: {other for other in imports_of(tree) if other in trees and other != name}
        for name, tree in trees.items()
    }
    circles = {
        tuple(sorted((name, other)))
        for name, others in edges.items()
        for other in others
        if name in edges[other]
    }
    # The package's own front door is lazy: nothing below it asks for it.
    assert not {pair for pair in circles if package not in pair}


def test_what_scores_needs_no_espnet():
    needed = {
        f"{name} imports {other}"
        for name, tree in modules_of(PACKAGE)
        for other in imports_of(tree)
        if room(name) in WITHOUT_ESPNET and re.match(r"espnet2?(\.|$)", other)
    }
    assert not needed


def test_architecture_page_names_every_room():
    page = (REPO / "doc/architecture.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| `")]
    named = [re.match(r"\| `(\w+)/`", line) for line in table]
    order = [match[1] for match in named if match and match[1] in ROOMS]
    assert order == list(ROOMS)
