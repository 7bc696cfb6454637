"""What mypy passes over, and the one style of annotations."""

import ast
from pathlib import Path

import tomllib

REPO = Path(__file__).parents[1]
TYPED = ("model", "scoring", "inference", "packs")
# What is left of the modules that had errors when mypy became a check.
MOST = 21


def passed_over():
    conf = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["mypy"]
    (found,) = (o["module"] for o in conf["overrides"] if o.get("ignore_errors"))
    return found


def test_only_single_modules_are_passed_over_and_no_more_than_before():
    names = passed_over()
    assert len(names) <= MOST
    for name in names:
        assert (REPO / name.replace(".", "/")).with_suffix(".py").is_file(), name


def test_rooms_without_errors_stay_so():
    for name in passed_over():
        assert name.split(".")[1] not in TYPED, name


def is_newer_style(node):
    """Tell whether it is `list[...]` or `... | None`, which ruff would not refuse."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return node.value.id in {"list", "dict", "tuple", "set", "frozenset", "type"}
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitOr)
        and isinstance(node.right, ast.Constant)
        and node.right.value is None
    )


def test_annotations_are_written_as_in_espnet():
    newer = {
        f"{path.relative_to(REPO)}:{node.lineno}"
        for package in ("espnet2_distilmos", "mini_mos")
        for path in (REPO / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if is_newer_style(node)
    }
    assert not newer
