"""Calls of a recipe, whose output goes to a log."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Dict

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.failure import ended_with

# One thread a process: trainings lie side by side, and sums do not depend on threads.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def call(command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
    """Run a command in the working directory; what it says is appended to `log`.

    Args:
        command: its words.
        log: file; its folder is made.
        env: variables besides those of this process.

    Raises:
        UserError: it failed; names the log and what is probably the reason.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    every: Dict[str, str] = {**os.environ, **dict.fromkeys(_THREADS, "1"), **env}
    every["PATH"] = f"{Path(sys.executable).parent}:{every['PATH']}"
    with open(log, "ab") as f:
        f.write(f"$ {' '.join(command)}\n".encode())
        f.flush()
        start = f.tell()
        done = subprocess.run(
            command,
            env=every,
            stdin=subprocess.DEVNULL,
            stdout=f,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            f.seek(start)
            lines = [line.strip() for line in f if line.strip()]
        told = [line for line in lines if "rror" in line] or lines or ["no output"]
        raise UserError(
            f"{log}: {Path(command[0]).name} {ended_with(done.returncode)}: {told[-1]}"
        )
