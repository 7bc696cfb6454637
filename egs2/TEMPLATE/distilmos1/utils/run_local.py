#!/usr/bin/env python3
"""Run one command, or N copies of it, on this machine, each with a log of its own.

    run_local.py [options] [JOB=1:N] LOG COMMAND ARGUMENT...

is what `${train_cmd}` and its like stand for in local mode (cmd.sh), called as ESPnet
and its recipes call a job runner. With JOB=1:N, the word JOB becomes the job's number
in LOG and in the arguments (not inside a longer upper-case word: /home/JOBS stays).

The command is run as it stands, without a shell. Its output goes to LOG, between a
header and a footer with the exit code. After a failure no further job is started, those
running may end, and the failed log is named together with its last lines.

No job outlives the runner: each is a session of its own under a small supervisor (a
fork of this script), which ends the whole session when the runner is stopped, when it
is killed, or when the runner's own parent dies (Linux only for the last two). Standard
library only, Python 3.9 or newer.
"""

import argparse
import ctypes
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import deque

NAME = os.path.basename(sys.argv[0])
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
TAIL = 20  # lines of a failed log that are shown
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def parse(argv):
    """Options, job range, log and command; exits with one line on a mistake."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        usage="%(prog)s [options] [JOB=1:N] LOG COMMAND ARGUMENT...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = lambda message: sys.exit(f"{NAME}: error: {message}")
    add = parser.add_argument
    add("--max-jobs-run", "--max_jobs_run", type=int, help="at once (default: all)")
    add("--num_nodes", "--num-nodes", type=int, default=1, help="1 is all there is")
    # Requests to a cluster's scheduler; there is none to ask here.
    for names in (["--gpu"], ["--mem"], ["--time"], ["--num_threads", "--num-threads"]):
        add(*names, help="ignored")
    add("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    rest, word, jobs = args.rest, None, [None]
    match = rest and re.fullmatch(r"([A-Z]+)=(\d+)(?::(\d+))?", rest[0])
    if match:
        word, first, last = match.group(1), int(match.group(2)), match.group(3)
        jobs = list(range(first, int(last or first) + 1))
        if not jobs:
            parser.error(f"{match.group()}: no jobs in this range")
        # Options may stand behind it too.
        args = parser.parse_args(rest[1:], args)
        rest = args.rest
    if rest and rest[0].startswith("-"):
        parser.error(f"unknown option {rest[0]}")
    if args.num_nodes != 1:
        parser.error("one node only; set cmd_backend in cmd.sh for more (e.g. slurm)")
    if args.max_jobs_run is not None and args.max_jobs_run < 1:
        parser.error(f"--max-jobs-run {args.max_jobs_run}: at least 1 is needed")

    if len(rest) < 2:
        parser.error("LOG and COMMAND are needed (see --help)")
    log, command = rest[0], rest[1:]
    if len(jobs) > 1 and fill(log, word, 1) == fill(log, word, 2):
        parser.error(f"{log}: {len(jobs)} jobs cannot share a log, put {word} in it")
    return args.max_jobs_run or len(jobs), word, jobs, log, command


def fill(text, word, job):
    """`text` with the job's number in place of `word`."""
    if word is None:
        return text
    return re.sub(rf"(?<![A-Z]){word}(?![A-Z])", str(job), text)


def die_with_parent(parent, signum=signal.SIGTERM):
    """Ask the kernel for `signum` when the process `parent` ends (Linux only)."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    except AttributeError:
        return
    if os.getppid() != parent:  # it ended before we could ask
        os.kill(os.getpid(), signum)


def exit_code(returncode):
    """A shell's exit code: 128 + N after signal N."""
    return returncode if returncode >= 0 else 128 - returncode


def supervise(log_name, command, stop_signals, mask, runner):
    """Run `command` to its end, in the child that was forked for it; never returns.

    Args:
        stop_signals: blocked here; any of them ends the session.
        mask: the signal mask that the command gets.
        runner: process ID of the parent.
    """
    os.setsid()
    os.makedirs(os.path.dirname(log_name) or ".", exist_ok=True)
    start = time.time()
    me = os.getpid()

    def before_exec():
        # Should the supervisor be killed, at least the command goes with it.
        die_with_parent(me, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    stopped = False
    with open(log_name, "w", encoding="utf-8", errors="surrogateescape") as log:

        def note(text):
            print(f"# {text}", file=log, flush=True)

        note(shlex.join(command))
        note(f"Running on {socket.gethostname()}")
        note(f"Started at {time.ctime(start)}")
        die_with_parent(runner)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=before_exec,
            )
        except OSError as e:
            note(f"{command[0]}: {e.strerror}")
            code = 126 if isinstance(e, PermissionError) else 127
        else:
            while process.poll() is None:
                if signal.sigwait(stop_signals) != signal.SIGCHLD:
                    stopped = True
                    break
            if stopped:
                os.killpg(0, signal.SIGTERM)  # blocked here: it reaches the others
                try:
                    process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
            code = exit_code(process.wait())
        end = time.time()
        why = "stopped, " if stopped else ""
        note(
            f"Ended ({why}code {code}) at {time.ctime(end)},"
            f" elapsed time {end - start:.0f} seconds"
        )
    if stopped:
        os.killpg(0, signal.SIGKILL)  # what ignored SIGTERM, and ourselves
    os._exit(code)


def report(job, n_jobs, code, log):
    """One line on a failed job, then the end of its log."""
    which = "the command" if job is None else f"job {job} ({n_jobs} in all)"
    why = f"killed by signal {code - 128}" if code > 128 else f"code {code}"
    if code == 128 + signal.SIGKILL:
        why += ": out of memory?"
    print(f"{NAME}: error: {which} failed ({why}), see {log}", file=sys.stderr)
    try:
        with open(log, encoding="utf-8", errors="replace") as f:
            for line in deque(f, TAIL):
                # A name in it must not command the terminal.
                shown = (
                    c if c.isprintable() or c == "\t" else ascii(c)[1:-1]
                    for c in line.rstrip()
                )
                print(f"  {''.join(shown)}", file=sys.stderr)
    except OSError as e:
        print(f"  {log}: {e.strerror}", file=sys.stderr)
    sys.stderr.flush()


def stop(running):
    """End all jobs and wait for them."""
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    for pid in running:
        os.waitpid(pid, 0)


def main(argv):
    parent = os.getppid()
    at_once, word, jobs, log, command = parse(argv)

    # All signals are taken in turn by sigwait: no handler can interrupt anything.
    # What is ignored already (nohup; SIGINT of background jobs) stays ignored.
    signals = {signal.SIGCHLD}
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(s) != signal.SIG_IGN:
            signals.add(s)
    signals.add(signal.SIGTERM)  # sent by the kernel when the parent dies
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    die_with_parent(parent)

    waiting, running, failed = deque(jobs), {}, 0
    runner = os.getpid()
    while running or (waiting and not failed):
        while waiting and not failed and len(running) < at_once:
            job = waiting.popleft()
            log_name = fill(log, word, job)
            filled = [fill(a, word, job) for a in command]
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                try:
                    supervise(log_name, filled, signals, mask, runner)
                except OSError as e:
                    print(f"{NAME}: error: {log_name}: {e.strerror}", file=sys.stderr)
                finally:
                    os._exit(1)
            running[pid] = (job, log_name)

        received = signal.sigwait(signals)
        if received != signal.SIGCHLD:
            stop(running)
            print(f"{NAME}: stopped by signal {int(received)}", file=sys.stderr)
            return 128 + received
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                job, log_name = running.pop(pid)
                code = exit_code(os.waitstatus_to_exitcode(status))
                if code:
                    failed = failed or code
                    report(job, len(jobs), code, log_name)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
