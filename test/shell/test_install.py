"""local/install.sh and path.sh: which Python is taken, what is made, what is redone.

Nothing is downloaded: `uv` is a script that notes how it was called.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REAL = sys._base_executable
UV = """#!/bin/sh
echo "$*" >> "$UV_CALLS"
[ -z "$UV_FAILS" ] || { echo "no connection"; exit 1; }
"""
SHIM = """#!/bin/sh
echo "pyenv: ${0##*/}: command not found" >&2
exit 127
"""


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class House:
    """A copy of the set-up files, and a machine with little on its PATH."""

    def __init__(self, folder):
        self.root = folder / "the repo"
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.calls = folder / "uv-calls"
        self.log = self.root / ".venv-install.log"
        self.stamp = self.root / ".venv/.stamp"
        for name in ("path.sh", "local/install.sh", "local/check_python.py"):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        (self.root / "pyproject.toml").write_text(
            "[project]\nname = 'x'\nversion = '1'\n"
            "dependencies = ['no-such-package>=2']\n"
            "[project.optional-dependencies]\ntrain = []\n"
        )
        (self.root / "constraints.txt").write_text("uv==0.1\n")
        self.bin.mkdir()
        self.home.mkdir()
        tools = "bash cat cut dirname env grep mkdir mv readlink rm sed sh touch"
        for tool in [*tools.split(), "sha256sum", "shasum"]:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        for name in ("python3.12", "python3.13", "python3", "python"):
            script(self.bin / name, SHIM)

    def with_pyenv_python(self):
        script(self.bin / "uv", UV)
        real = self.home / ".pyenv/versions/3.12.99/bin/python"
        real.parent.mkdir(parents=True)
        real.symlink_to(REAL)

    def bash(self, command, cwd=None, **env):
        env = {
            "PATH": str(self.bin), "HOME": str(self.home),
            "UV_CALLS": str(self.calls), "PIP_NO_INDEX": "1", **env,
        }  # fmt: skip
        return subprocess.run(
            ["bash", "-c", command],
            cwd=cwd or self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def install(self, **env):
        return self.bash("local/install.sh", **env)

    def n_installs(self):
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum(line.startswith("pip install") for line in lines)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A house where path.sh was sourced once, and the output of that."""
    house = House(tmp_path_factory.mktemp("installed"))
    house.with_pyenv_python()
    done = house.bash("set -euo pipefail; . ./path.sh; command -v python; python -V")
    assert done.returncode == 0, done.stderr
    return house, done


def test_no_python_is_one_line_that_says_how_to_get_it(house):
    done = house.bash("set -eu; . ./path.sh; echo not reached")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("install.sh: error: Python 3.12 or 3.13 is needed")
    assert "apt install python3.12-venv" in done.stderr
    assert not (house.root / ".venv").exists()


def test_an_older_python_is_passed_over(house):
    # Answers like a Python 3.11: runs, and the check of its version fails.
    script(house.bin / "python3", "#!/bin/sh\nexit 1\n")
    assert "none was found" in house.install().stderr


def test_pythons_that_only_seem_to_be_there_are_passed_over(installed):
    house, done = installed
    python, version = done.stdout.splitlines()
    assert python == str(house.root / ".venv/bin/python")
    assert version == "Python " + ".".join(map(str, sys.version_info[:3]))
    assert all(line.startswith("install.sh: ") for line in done.stderr.splitlines())
    assert "-c constraints.txt -e .[train,mini,test]" in house.calls.read_text()


def test_nothing_to_do_is_quick_and_silent(installed):
    house, _ = installed
    n = house.n_installs()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = house.bash("set -euo pipefail; . ./path.sh")
        times.append(time.perf_counter() - start)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert min(times) < 0.1
    assert house.n_installs() == n


def test_path_sh_through_a_link_from_elsewhere(installed, tmp_path):
    house, _ = installed
    (tmp_path / "path.sh").symlink_to(house.root / "path.sh")
    show = 'command -v python; echo "$PATH"; echo "$LC_ALL"; pwd; set +o; shopt -p'
    done = house.bash(f". ./path.sh; . ./path.sh; {show}", cwd=tmp_path)
    python, path, lc_all, cwd, *options = done.stdout.splitlines()
    assert python == str(house.root / ".venv/bin/python")
    assert path.split(":") == [str(house.root / ".venv/bin"), str(house.bin)]
    assert lc_all == "C"
    assert cwd == str(tmp_path)
    # The shell's own settings are the caller's business.
    assert options == house.bash("set +o; shopt -p").stdout.splitlines()


def test_new_constraints_update_the_same_environment(installed):
    house, _ = installed
    n = house.n_installs()
    (house.root / ".venv/mine").touch()
    with open(house.root / "constraints.txt", "a") as f:
        f.write("pytest==9.0\n")
    assert house.install().returncode == 0
    assert house.n_installs() == n + 1
    assert (house.root / ".venv/mine").exists()
    assert house.install().stderr == ""


def test_failure_is_named_and_the_next_call_tries_again(installed):
    house, _ = installed
    n = house.n_installs()
    with open(house.root / "constraints.txt", "a") as f:
        f.write("ruff==0.1\n")
    done = house.install(UV_FAILS="1")  # and pip is kept from the network
    assert done.returncode == 1
    assert "uv did not succeed, trying pip" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("install.sh: error: packages could not be installed")
    assert ".venv-install.log" in last
    assert "no connection" in house.log.read_text()
    assert not house.stamp.exists()
    assert house.install().returncode == 0
    assert house.stamp.exists()
    assert house.n_installs() == n + 2


def test_an_install_that_was_killed_is_begun_anew(house):
    house.with_pyenv_python()
    stuck = 'touch "$UV_CALLS.began"; kill -9 "$PPID"; exit 1'
    script(house.bin / "uv", f"#!/bin/sh\n{stuck}\n")
    assert house.install().returncode != 0
    assert not house.stamp.exists()
    (house.root / ".venv/half").touch()
    script(house.bin / "uv", UV)
    done = house.install()
    assert done.returncode == 0, done.stderr
    assert house.stamp.exists()
    assert not (house.root / ".venv/half").exists()


def test_two_at_once_install_once(installed):
    house, _ = installed
    n = house.n_installs()
    with open(house.root / "constraints.txt", "a") as f:
        f.write("numpy==2.0\n")
    # The second comes while the first is at it.
    slow = UV + "sleep 1\n"
    (house.bin / "sleep").symlink_to(shutil.which("sleep"))
    script(house.bin / "uv", slow)
    done = house.bash("local/install.sh & sleep 0.5; local/install.sh; wait")
    assert done.returncode == 0
    assert "another install is running here" in done.stderr
    assert house.n_installs() == n + 1


def test_a_python_of_the_users_own_is_only_checked(house, tmp_path):
    done = house.bash(". ./path.sh || exit 3", DISTILMOS_PYTHON=sys.executable)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "lacks no-such-package; run: " in done.stderr

    shutil.copy(ROOT / "pyproject.toml", house.root)
    show = 'command -v python; echo "$PYTHONPATH"; echo "$PYTHONDONTWRITEBYTECODE"'
    env = {"DISTILMOS_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    done = house.bash(f". ./path.sh && {show}", **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(Path(sys.executable).parent / "python"),
        str(house.root),
        "1",  # what the user set stays
    ]
    assert not (house.root / ".venv").exists()


def test_bytecode_is_kept(installed):
    """Where it is forbidden, every command would compile torch anew."""
    show = ". ./path.sh && echo ${PYTHONDONTWRITEBYTECODE-unset}"
    assert installed[0].bash(show, PYTHONDONTWRITEBYTECODE="1").stdout == "unset\n"


def test_constraints_are_exact_and_name_no_address():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name, version = line.split("==")
        assert name and version and " " not in line and "/" not in line


def test_a_missing_python_of_the_users_own(house):
    done = house.bash(". ./path.sh", DISTILMOS_PYTHON="/no/python")
    assert done.returncode == 1
    assert done.stderr == (
        "install.sh: error: DISTILMOS_PYTHON (/no/python): no such program\n"
    )


def test_links_of_the_recipes_lead_somewhere():
    links = [
        ROOT / recipe / name
        for recipe in (ROOT / "egs2").glob("*/distilmos1")
        for name in ("path.sh", "cmd.sh", "utils", "conf", "distilmos.sh")
        if (recipe / name).is_symlink()
    ]
    assert links
    assert [str(p) for p in links if not p.exists()] == []
