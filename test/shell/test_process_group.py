"""Stopping a recipe ends all that it runs, also what its bash waits for."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, wait_for

REPO = Path(__file__).parents[2]
GROUP = REPO / "egs2/TEMPLATE/distilmos1/utils/process_group.sh"
RECIPE = REPO / "egs2/mini_mos/distilmos1"

SCRIPT = f"""#!/usr/bin/env bash
set -eu
. {GROUP}
printf '%s|' "$@"
"$@"
"""
# A stage with a child of its own; they leave their IDs.
STAGE = """#!/usr/bin/env bash
sleep 600 & echo $! > child
echo $$ > stage.tmp; mv stage.tmp stage
wait
"""


def write_script(path, text):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 7])
def test_arguments_and_exit_code_pass_through(tmp_path, code):
    script = write_script(tmp_path / "my script.sh", SCRIPT)
    command = ["sh", "-c", f"exit {code}", "a b", "*"]
    done = subprocess.run([script, *command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "".join(f"{x}|" for x in command)


def stages_of(folder):
    wait_for((folder / "stage").exists)
    pids = [int((folder / name).read_text()) for name in ("stage", "child")]
    assert all(map(alive, pids))
    return pids


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_stage_that_runs(tmp_path, signum):
    script = write_script(tmp_path / "run.sh", SCRIPT)
    stage = write_script(tmp_path / "stage.sh", STAGE)
    process = subprocess.Popen([script, stage], cwd=tmp_path, stderr=subprocess.PIPE)
    pids = stages_of(tmp_path)
    process.send_signal(signum)
    error = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 128 + signum
    assert f"run.sh: stopped by {signum.name}, ending all" in error
    assert not any(map(alive, pids))


def test_nohup_still_works(tmp_path):
    script = write_script(tmp_path / "run.sh", SCRIPT)
    process = subprocess.Popen(
        [script, "sh", "-c", "touch on; sleep 1; touch whole"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    wait_for((tmp_path / "on").exists)
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 0
    assert (tmp_path / "whole").exists()


def test_stopping_run_sh_of_a_recipe_ends_its_stage(tmp_path):
    for name in ("run.sh", "cmd.sh", "distilmos.sh"):
        shutil.copy(RECIPE / name, tmp_path)
    for name in ("conf", "utils"):
        shutil.copytree(RECIPE / name, tmp_path / name)
    (tmp_path / "path.sh").symlink_to(REPO / "path.sh")
    write_script(tmp_path / "local/data.sh", STAGE)
    process = subprocess.Popen(
        ["./run.sh"],
        cwd=tmp_path,
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pids = stages_of(tmp_path)
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert not any(map(alive, pids))


@pytest.mark.parametrize("which", ["first", "second"])
def test_killing_one_of_the_scripts_ends_the_stage(tmp_path, which):
    script = write_script(tmp_path / "run.sh", SCRIPT)
    stage = write_script(tmp_path / "stage.sh", STAGE)
    process = subprocess.Popen([script, stage], cwd=tmp_path, stderr=subprocess.PIPE)
    pids = stages_of(tmp_path)
    # The second is the parent of the stage.
    status = Path(f"/proc/{pids[0]}/stat").read_text().rsplit(")", 1)[1].split()
    second = int(status[1])
    assert second != process.pid
    os.kill({"first": process.pid, "second": second}[which], signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode != 0
    wait_for(lambda: not any(map(alive, [*pids, second])), 30)
