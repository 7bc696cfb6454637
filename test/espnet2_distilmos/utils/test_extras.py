"""Packages of extras: the table is that of pyproject.toml, and who lacks what."""

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
import tomllib

from espnet2_distilmos.utils import extras
from espnet2_distilmos.utils.command import run

REPO = Path(__file__).parents[3]


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower()


def test_the_table_is_that_of_pyproject():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    scorer = {name_of(line) for line in project["dependencies"]}
    optional = project["optional-dependencies"]

    def packages(extra):
        for line in optional[extra]:
            if ours := re.match(r"espnet2-distilmos\[([\w,]+)\]", line):
                for other in ours[1].split(","):
                    yield from packages(other)
            else:
                yield name_of(line)

    extras_of_users = ("plot", "torch", "export", "train", "mini", "faiss")
    brought = {extra: set(packages(extra)) for extra in extras_of_users}
    # What ESPnet requires comes with it.
    brought["train"] |= {name_of(r) for r in requires("espnet") if "extra ==" not in r}
    for module, (package, names) in extras.PACKAGES.items():
        if package in scorer:
            continue
        direct = [extra for extra in names if package in brought[extra]]
        assert direct == list(names), module


@pytest.fixture
def absent(monkeypatch):
    """Function: make modules of these names look as if they were not installed."""

    def hide(*names):
        monkeypatch.setattr(extras, "is_there", lambda name: name not in names)

    return hide


@pytest.mark.parametrize(
    "modules, found",
    [
        (["kaldiio"], ["train"]),
        (["sklearn", "threadpoolctl"], ["train"]),
        (["threadpoolctl", "pesq"], ["mini"]),  # one extra where one is enough
        (["sklearn", "pesq", "espnet2"], ["mini", "train"]),
        (["faiss"], ["faiss"]),
        (["torch", "matplotlib"], ["torch"]),
        (["matplotlib"], ["plot"]),
        (["torch", "onnx"], ["export"]),
        ([], []),
    ],
    ids=str,
)
def test_the_fewest_extras(modules, found):
    assert extras.extras_for(modules) == found


def missing(name):
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_one_line_names_all_that_the_command_lacks(absent, capsys):
    absent("pesq", "threadpoolctl")

    def main(cmd):
        raise missing("threadpoolctl")

    assert run(main, [], needs=["pesq", "sklearn", "versa"]) == 1
    assert capsys.readouterr().err == (
        "error: needs threadpoolctl, pesq, which this install has not: "
        'pip install "espnet2-distilmos[mini] @ git+REPOSITORY"\n'
    )


def test_what_an_older_python_cannot_have_is_said(absent, monkeypatch):
    """The scorer runs on Python 3.10, ESPnet does not."""
    absent("kaldiio", "pesq")
    monkeypatch.setattr(extras.sys, "version_info", (3, 10, 13))
    line = extras.what_is_missing(missing("kaldiio"))
    assert line.endswith('" in Python 3.12 or 3.13, which ESPnet wants')
    assert extras.what_is_missing(missing("pesq")).endswith('REPOSITORY"')


@pytest.mark.parametrize(
    "error",
    [
        missing("espnet2.no_such_part"),  # espnet2 itself is there
        missing("colour"),  # of no extra
        missing("espnet2_distilmos.colour"),  # ours
        ImportError("cannot import name 'x' from 'kaldiio'", name="kaldiio"),
        ModuleNotFoundError("raised by hand"),
    ],
    ids=repr,
)
def test_a_fault_of_ours_keeps_its_traceback(error):
    def main(cmd):
        raise error

    with pytest.raises(ImportError) as caught:
        run(main, [])
    assert caught.value is error


def test_a_module_that_is_hidden_or_half_imported_is_not_there(monkeypatch):
    assert extras.is_there("yaml") and not extras.is_there("no_such_module")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert not extras.is_there("yaml")


def test_to_ask_imports_nothing():
    code = (
        "import sys; from espnet2_distilmos.utils.extras import PACKAGES, lacking;"
        "print(lacking(PACKAGES), sorted(set(PACKAGES) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("] []\n"), done.stderr
