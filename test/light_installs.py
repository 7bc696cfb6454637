"""Smaller installs: packages that are not their own are hidden.

`pip install .` brings what `dependencies` of pyproject.toml names, `pip install
'.[torch]'` that extra too, and what these need in turn. All else that is installed here
cannot be imported in the processes that :func:`runner` starts.
"""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).parents[1]
HIDE = """
import json, sys

hidden = set(json.loads(sys.argv.pop(1)))

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
"""
CLI = "from espnet2_distilmos.bin.main import cli; sys.exit(cli())"
# Every command's help, in one process: NAME, exit code, lines on stderr.
ALL_HELP = """
import contextlib, io
from espnet2_distilmos.bin.main import COMMANDS, cli

for name in COMMANDS:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli([name, "--help"])
        except SystemExit as e:
            code = e.code
    print(json.dumps([name, code, err.getvalue()]))
"""


def distributions_of_the_scorer(*extras):
    """Names of all that `pip install .` puts in, or `pip install '.[EXTRA]'`."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found, todo = set(), [Requirement(line) for line in lines]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        try:
            more = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for line in map(Requirement, more):
            extras = requirement.extras or {""}
            if line.marker is None or any(
                line.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(line)
    return found


def modules_besides(scorer):
    """Modules of all other distributions."""
    return [
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & scorer
        and module != "espnet2_distilmos"
    ]


def runner(hidden):
    def run(*args, code=CLI):
        return subprocess.run(
            [sys.executable, "-c", HIDE + code, hidden, *map(str, args)],
            capture_output=True,
            text=True,
        )

    return run
