"""Why a job failed, in one line."""

import signal

import pytest

from espnet2_distilmos.bin.why_failed import main
from espnet2_distilmos.utils.failure import ended_with, why_failed

KILLED = "killed by signal 9 (SIGKILL: out of memory?)"


@pytest.mark.parametrize(
    "code, text",
    [
        (137, KILLED),
        (-9, KILLED),
        (-signal.SIGTERM, "killed by signal 15 (SIGTERM)"),
        (139, "killed by signal 11 (SIGSEGV)"),
        (2, "ended with code 2"),
        (255, "ended with code 255"),
    ],
)
def test_exit_codes(code, text):
    assert ended_with(code) == text


@pytest.mark.parametrize(
    "log, code, text",
    [
        (
            "1epoch results\n# Ended (code 137) at Fri, elapsed time 3 seconds\n",
            1,
            KILLED,
        ),
        # Even if an older line of another process says something.
        ("error: old\n# Ended (stopped, code 143) at Fri\n", 1, "killed by signal 15"),
        ("# Accounting: time=1 threads=1 status=137\n", 1, KILLED),
        ("# Finished at Fri with status 137\n", 1, KILLED),
        ("error: no such file\n# Ended (code 1) at Fri\n", 1, "no such file"),
        ("x.py: error: no room\n", None, "no room"),
        (
            "Traceback (most recent call last):\n  File x\n"
            "torch.OutOfMemoryError: CUDA out of memory.\n# Ended (code 1) at Fri\n",
            1,
            "torch.OutOfMemoryError: CUDA out of memory.",
        ),
        ("KeyboardInterrupt\n", 1, "KeyboardInterrupt"),
        (
            "error: of another\nE1127 failed (exitcode: -9) local_rank: 1\n"
            "ChildFailedError: \n# Ended (code 1) at Fri\n",
            1,
            f"a process was {KILLED}",
        ),
        ("error: no room\nexitcode  : -15 (pid: 5)\n", 1, "no room"),
        (
            "1epoch\n# Ended (code 3) at Fri\n",
            1,
            "ended with code 3, no reason was given",
        ),
        ("", 137, KILLED),
        (None, 137, KILLED),
        (None, 1, "ended with code 1, no reason was given"),
        (None, None, "no reason was given"),
    ],
)
def test_reasons(tmp_path, log, code, text):
    path = tmp_path / "x.log"
    if log is not None:
        path.write_text(log)
    assert why_failed(path, code).startswith(text)


def test_the_end_of_the_log_is_shown(tmp_path, capsys):
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {i}\n" for i in range(30)) + "\x1b[2Jx\n")
    main(["--log", str(path), "--code", "137"])
    out, err = capsys.readouterr()
    assert out == f"{KILLED}\n"
    assert err.splitlines()[0] == "  line 21" and "\x1b" not in err
