"""Check that an interpreter of the user's own has what the recipe needs.

    python local/check_python.py pyproject.toml

Compares the installed packages with those of the scorer and of the `train` extra;
imports none of them. Exits with 1 and one line that says what is missing.
"""

import os
import sys
from importlib import metadata


def complaint(name, specifier=None):
    """What is wrong with the package `name`, or None."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name
    if specifier is not None and not specifier.contains(version, prereleases=True):
        return f"{name}{specifier} (has {version})"
    return None


def missing(pyproject):
    """Complaints about all packages that the file `pyproject` asks for."""
    import tomllib  # after the check of the version: new in 3.11

    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        return ["packaging"]
    with open(pyproject, "rb") as f:
        project = tomllib.load(f)["project"]
    extras = project["optional-dependencies"]
    requirements, todo = [], project["dependencies"] + extras["train"]
    for requirement in map(Requirement, todo):  # which grows
        if requirement.name == project["name"]:  # an extra that is of others
            todo += [text for extra in requirement.extras for text in extras[extra]]
        else:
            requirements.append(requirement)
    found = [
        complaint(r.name, r.specifier)
        for r in requirements
        if r.marker is None or r.marker.evaluate()
    ]
    return [c for c in found if c]


def main(pyproject):
    here = f"error: DISTILMOS_PYTHON ({sys.executable})"
    if sys.version_info[:2] not in ((3, 12), (3, 13)):
        version = ".".join(map(str, sys.version_info[:3]))
        return f"{here} is Python {version}; 3.12 or 3.13 is needed"
    # The recipe calls `python` and `python3`; path.sh puts their folder on the PATH.
    folder = os.path.dirname(sys.executable)
    for name in ("python", "python3"):
        other = os.path.join(folder, name)
        if os.path.realpath(other) != os.path.realpath(sys.executable):
            return f"{here}: {other} is not the same; name that of an environment"
    if complaints := missing(pyproject):
        return (
            f"{here} lacks {', '.join(complaints)}; run: {sys.executable} -m pip "
            "install -c constraints.txt -e '.[train,mini,test]'"
        )
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
