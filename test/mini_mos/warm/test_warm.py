"""Warm processes: what python3 -m does, with its status, its streams and its end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet2_distilmos.utils.errors import UserError
from mini_mos.warm import server

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    """Environment in which clients find a server, and this python3."""
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    with server.warm_python(tmp_path_factory.mktemp("warm")) as found:
        yield {**os.environ, **found, "PATH": path}


def call(env, *arguments, **options):
    return subprocess.run(
        [server.CLIENT, *arguments], env=env, capture_output=True, text=True, **options
    )


def test_a_module_runs_with_arguments_folder_and_environment(env, tmp_path):
    conf = tmp_path / "train.yaml"
    conf.write_text("loss_conf: {token_weight: 0}\n")
    options = ["-m", "espnet2_distilmos.bin.uses_tokens", "--", "--config"]
    warm = call(env, *options, conf.name, cwd=tmp_path)
    assert (warm.returncode, warm.stdout.strip()) == (0, "false")


def test_a_users_mistake_has_its_line_and_status(env, tmp_path):
    options = ["-m", "espnet2_distilmos.bin.show_labels", "gone.yaml"]
    cold = subprocess.run(
        [sys.executable, *options], cwd=tmp_path, capture_output=True, text=True
    )
    warm = call(env, *options, cwd=tmp_path)
    assert cold.returncode == warm.returncode == 1
    assert warm.stderr == cold.stderr and "gone.yaml" in warm.stderr


def test_what_the_server_does_not_know_runs_in_python3(env, tmp_path):
    code = "import sys, os; print(os.getppid(), 'torch' in sys.modules)"
    found = call(env, "-c", code)
    assert found.stdout.split() == [str(os.getpid()), "False"]
    found = call({**env, server.ADDRESS: ""}, "-m", "json.tool", input="{}")
    assert found.stdout.strip() == "{}"


def test_a_module_that_is_not_there_fails(env):
    found = call(env, "-m", "mini_mos.not_there")
    assert found.returncode == 1 and "No module named" in found.stderr


def waiting(folder):
    """Return the name of a process that waits, and the command that starts it."""
    name = folder / "wait_here"
    name.symlink_to(shutil.which("sleep"))
    runner = folder / "runner.sh"  # of jobs, as those of cmd.sh
    runner.write_text(f"#!/bin/sh\nexec {name} 600\n")
    runner.chmod(0o755)
    options = ["--cmd", str(runner), "--log", str(folder / "log"), "--ngpu", "0"]
    return str(name), ["-m", "espnet2.bin.launch", *options, "--", "true"]


@pytest.fixture
def launched(env, tmp_path):
    """A client whose worker has started a process of its own, and that process' ID."""
    name, command = waiting(tmp_path)
    client = subprocess.Popen([server.CLIENT, *command], env=env)
    sleeper = wait_for(lambda: pid_of(name))
    yield client, sleeper
    client.kill()
    if is_alive(sleeper):
        os.kill(sleeper, signal.SIGKILL)


def pid_of(name):
    """Return the process whose first argument is `name`, or None."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        if words[0] == name:
            return int(file.parent.name)
    return None


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def wait_for(found):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("not in two minutes")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_command_has_started_ends_with_its_client(launched, how):
    client, sleeper = launched
    client.send_signal(how)
    assert client.wait() == -how
    wait_for(lambda: not is_alive(sleeper))


RECIPE = """
import os, subprocess, sys
from pathlib import Path
from mini_mos.warm.server import CLIENT, warm_python
with warm_python(Path(sys.argv[1])) as env:
    subprocess.run([CLIENT, *sys.argv[2:]], env={**os.environ, **env})
"""


def test_nothing_outlives_the_group_of_its_recipe(env, tmp_path):
    """As Ctrl-C ends server, client and all else of a recipe at once."""
    name, command = waiting(tmp_path)
    recipe = subprocess.Popen(
        [sys.executable, "-c", RECIPE, str(tmp_path), *command],
        env={**env, server.ADDRESS: ""},
        start_new_session=True,
    )
    sleeper = wait_for(lambda: pid_of(name))
    os.killpg(recipe.pid, signal.SIGTERM)
    recipe.wait()
    wait_for(lambda: not is_alive(sleeper))


def test_a_killed_worker_is_told_by_its_signal(launched):
    client, sleeper = launched
    os.kill(parent_of(sleeper), signal.SIGKILL)
    assert client.wait(timeout=60) == -signal.SIGKILL


def test_products_of_training_may_be_of_bfloat16():
    code = "from mini_mos.warm.server import _set_products; import torch; "
    code += "_set_products('bf16'); b = torch.backends; "
    code += "print(b.mkldnn.matmul.fp32_precision, b.cuda.flash_sdp_enabled())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.split() == ["bf16", "False"]


def test_a_server_that_does_not_start_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="warm.log: the server of warm processes"):
        with server.warm_python(tmp_path):
            raise AssertionError("it started")
