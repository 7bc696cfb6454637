"""utils/run_local.py: logs, exit codes, and that no job outlives its runner."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, wait_for

RUNNER = Path(__file__).parents[2] / "egs2/TEMPLATE/distilmos1/utils/run_local.py"
linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs prctl"
)


def run(*args, cwd):
    return subprocess.run(
        [RUNNER, *args], capture_output=True, text=True, timeout=60, cwd=cwd
    )


def test_one_command(tmp_path):
    done = run("--gpu", "0", "a/b/x.log", "sh", "-c", "echo out; echo err >&2",
               cwd=tmp_path)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = (tmp_path / "a/b/x.log").read_text().splitlines()
    assert lines[0] == "# sh -c 'echo out; echo err >&2'"
    assert lines[3:5] == ["out", "err"]
    assert lines[-1].startswith("# Ended (code 0) at ")
    assert lines[-1].endswith("elapsed time 0 seconds")


def test_job_numbers_in_log_and_arguments(tmp_path):
    command = ["printf", "%s|", "keys.JOB.scp", "partJOBof3", "/home/JOBS", "a;b $HOME"]
    done = run("JOB=2:4", "log/x.JOB.log", *command, cwd=tmp_path)
    assert done.returncode == 0
    assert sorted(p.name for p in (tmp_path / "log").iterdir()) == [
        "x.2.log", "x.3.log", "x.4.log",
    ]  # fmt: skip
    text = (tmp_path / "log/x.3.log").read_text()
    assert "\nkeys.3.scp|part3of3|/home/JOBS|a;b $HOME|# Ended" in text


def test_scheduler_options_before_and_after_the_range(tmp_path):
    options = ["--mem", "4G", "--num_threads", "2", "--time", "1:00"]
    done = run(
        *options, "JOB=1:2", "--max-jobs-run", "1", "x.JOB", "true", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("at_once, most", [(["--max-jobs-run", "2"], 2), ([], 5)])
def test_jobs_at_once(tmp_path, at_once, most):
    script = "touch on.JOB; sleep 0.3; ls on.*; rm on.JOB"
    assert (
        run(*at_once, "JOB=1:5", "x.JOB", "sh", "-c", script, cwd=tmp_path).returncode
        == 0
    )
    seen = [p.read_text().count("\non.") for p in tmp_path.glob("x.*")]
    assert len(seen) == 5
    assert 2 <= max(seen) <= most


def test_failure_names_the_log_and_starts_no_more(tmp_path):
    script = "echo reason of JOB; [ JOB != 2 ] || exit 7"
    done = run("--max-jobs-run", "1", "JOB=1:4", "log/JOB.log", "sh", "-c", script,
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 7
    lines = done.stderr.splitlines()
    assert lines[0] == (
        "run_local.py: error: job 2 (4 in all) failed (code 7), see log/2.log"
    )
    assert "  reason of 2" in lines
    assert not (tmp_path / "log/3.log").exists()


def test_unknown_command_and_signals(tmp_path):
    done = run("x.log", "no-such-command", cwd=tmp_path)
    assert done.returncode == 127
    assert "no-such-command: No such file" in (tmp_path / "x.log").read_text()
    done = run("x.log", "sh", "-c", "kill -9 $$", cwd=tmp_path)
    assert done.returncode == 128 + 9
    assert "failed (killed by signal 9: out of memory?), see" in done.stderr


def test_unwritable_log(tmp_path):
    (tmp_path / "file").touch()
    done = run("file/x.log", "true", cwd=tmp_path)
    assert done.returncode != 0
    assert "file/x.log" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "args, part",
    [
        ([], "LOG and COMMAND"),
        (["x.log"], "LOG and COMMAND"),
        (["--no-such", "1", "x.log", "true"], "--no-such"),
        (["JOB=1:2", "--no-such", "x.JOB", "true"], "--no-such"),
        (["--num_nodes", "2", "x.log", "true"], "one node only"),
        (["JOB=3:1", "x.JOB", "true"], "no jobs"),
        (["JOB=1:2", "x.log", "true"], "put JOB in it"),
        (["--max-jobs-run", "0", "x.log", "true"], "at least 1"),
        (["--max-jobs-run", "x", "x.log", "true"], "invalid int"),
    ],
)
def test_mistakes_are_one_line(tmp_path, args, part):
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("run_local.py: error: ")
    assert done.stderr.count("\n") == 1
    assert part in done.stderr
    assert not any(tmp_path.iterdir())


# A job with a child, both deaf to a polite end if asked to be; they leave their IDs.
FAMILY = """
[ {deaf} = no ] || trap '' TERM
sleep 600 & echo $! > child
echo $$ > job.tmp; mv job.tmp job
wait; sleep 600
"""


def start_family(tmp_path, deaf="no", prefix=()):
    """Start a runner (below `prefix`); returns its process and the IDs of the job's."""
    process = subprocess.Popen(
        [*prefix, RUNNER, "x.log", "sh", "-c", FAMILY.format(deaf=deaf)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_for((tmp_path / "job").exists)
    return process, [int((tmp_path / f).read_text()) for f in ("job", "child")]


@linux_only
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_runner_ends_the_whole_job(tmp_path, signum):
    runner, pids = start_family(tmp_path)
    assert all(map(alive, pids))
    runner.send_signal(signum)
    assert runner.wait(20) == 128 + signum
    wait_for(lambda: not any(map(alive, pids)))
    assert "# Ended (stopped, code 143)" in (tmp_path / "x.log").read_text()


@linux_only
def test_jobs_that_ignore_sigterm_end_too(tmp_path):
    runner, pids = start_family(tmp_path, deaf="yes")
    runner.terminate()
    assert runner.wait(30) == 128 + signal.SIGTERM
    wait_for(lambda: not any(map(alive, pids)))


@linux_only
def test_killing_the_runner_ends_the_job(tmp_path):
    runner, pids = start_family(tmp_path)
    runner.kill()
    runner.wait()
    wait_for(lambda: not any(map(alive, pids)))


@linux_only
def test_killing_the_parent_of_the_runner_ends_the_job(tmp_path):
    # What happens when espnet2.bin.launch is stopped: it does not tell the runner.
    launch = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent, pids = start_family(tmp_path, prefix=[sys.executable, "-c", launch])
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(map(alive, pids)))


@linux_only
def test_killing_espnets_launcher_ends_the_training(tmp_path):
    """It passes no signal on; the runner notices that it has gone."""
    launch = [
        sys.executable,
        "-m",
        "espnet2.bin.launch",
        "--cmd",
        RUNNER,
        "--ngpu",
        "0",
    ]
    script = FAMILY.format(deaf="no")
    process = subprocess.Popen(
        [*launch, "--log", "x.log", "--", "sh", "-c", script],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_for((tmp_path / "job").exists, seconds=120)  # ESPnet's imports
    pids = [int((tmp_path / f).read_text()) for f in ("job", "child")]
    assert all(map(alive, pids))
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, pids)))


def test_ignored_signals_stay_ignored(tmp_path):
    """nohup: a hang-up must not end the job."""
    process = subprocess.Popen(
        [RUNNER, "x.log", "sh", "-c", "touch on; sleep 1; touch whole"],
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    wait_for((tmp_path / "on").exists)
    os.kill(process.pid, signal.SIGHUP)
    assert process.wait(20) == 0
    assert (tmp_path / "whole").exists()


def test_the_end_of_a_log_does_not_command_the_terminal(tmp_path):
    script = r"printf 'name \033]0;owned\007\n'; exit 3"
    done = run("x.log", "sh", "-c", script, cwd=tmp_path)
    assert done.returncode != 0
    assert r"name \x1b]0;owned\x07" in done.stderr and "\x1b" not in done.stderr
