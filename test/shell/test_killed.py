"""What is killed is told with its reason: a trainer, a command of a stage."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
RECIPE = REPO / "egs2/mini_mos/distilmos1"
KILLED = "killed by signal 9 (SIGKILL: out of memory?)"

TRAIN = """
set -euo pipefail
log() { echo "$*"; }
fail() { echo "Error: $*" >&2; exit 1; }
python=./python mos_exp=exp ngpu=0 num_nodes=1 cpu_nproc=1 host= train_config=x.yaml
cuda_cmd=utils/run_local.py training_opts=(--output_dir exp)
. utils/follow.sh
. utils/training.sh
launch_training
"""
# Stands for the trainer; all else is Python's.
PYTHON = """#!/usr/bin/env bash
case "$*" in
*espnet2.bin.launch*) exec {python} "$@" ;;
*distilmos_train*) echo "1epoch results"; {ends} ;;
*) exec {python} "$@" ;;
esac
"""


@pytest.mark.parametrize(
    "ends, reason",
    [
        ("kill -KILL $$", KILLED),
        ("kill -SEGV $$", "killed by signal 11 (SIGSEGV)"),
        ("echo 'error: no room' >&2; exit 1", "no room"),
        ("echo 'ValueError: odd' >&2; exit 1", "ValueError: odd"),
        ("exit 3", "ended with code 3, no reason was given"),
    ],
)
def test_a_training_that_fails(tmp_path, ends, reason):
    (tmp_path / "exp").mkdir()
    shutil.copytree(RECIPE / "utils", tmp_path / "utils")
    python = tmp_path / "python"
    python.write_text(PYTHON.format(python=sys.executable, ends=ends))
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", TRAIN], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    *shown, last = done.stderr.splitlines()
    assert last == f"Error: training failed: {reason} (log: exp/train.log)"
    assert "  1epoch results" in shown  # the end of the log


def test_a_command_of_a_stage_that_is_killed(tmp_path):
    for name in ("run.sh", "cmd.sh", "distilmos.sh"):
        shutil.copy(RECIPE / name, tmp_path)
    for name in ("conf", "utils"):
        shutil.copytree(RECIPE / name, tmp_path / name)
    (tmp_path / "path.sh").symlink_to(REPO / "path.sh")
    (tmp_path / "local").mkdir()
    script = tmp_path / "local/data.sh"
    script.write_text("#!/usr/bin/env bash\nkill -KILL $$\n")
    script.chmod(0o755)
    done = subprocess.run(
        ["./run.sh"],
        cwd=tmp_path,
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 137
    assert f"Error: a command was {KILLED}" in done.stderr.splitlines()[-1]
