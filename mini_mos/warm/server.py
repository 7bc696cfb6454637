"""A server whose commands start warm: imported once, forked for every command.

A training of the experiment takes two or three minutes on one core, and recipes start
a dozen Python processes around it, most of which import torch. The recipe stays what it
is: `distilmos.sh --python` is given the client beside this file, which hands its
arguments, folder, environment and streams over.

A process tree a command: the server forks a *keeper*, which forks the *worker*, which
runs the module as `python3 -m` does. The keeper tells the client how the worker ended,
and ends the worker's process group where the client is gone.
"""

import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, NoReturn

from espnet2_distilmos.utils.errors import UserError

CLIENT = Path(__file__).parent / "python3"
ADDRESS = "MINI_MOS_WARM"
# Variable with the precision of matrix products in training on a CPU, such as bf16.
PRODUCTS = "MINI_MOS_PRODUCTS"
_TRAINER = "espnet2_distilmos.bin.distilmos_train"
# Imports only: a library that has started threads does not live through a fork.
PRELOADED = (
    "espnet2_distilmos.tasks.distilmos",
    "espnet2_distilmos.tasks.begin",
    "espnet2_distilmos.inference.engine",
    "espnet2_distilmos.report.plots",
    "scipy.stats",
    "sklearn.linear_model",
)
_START_SECONDS, _GRACE_SECONDS = 600, 5.0


@contextmanager
def warm_python(folder: Path) -> Iterator[Dict[str, str]]:
    """Run a server for as long as the context lasts.

    Args:
        folder: for its log, `warm.log`.

    Yields:
        Environment in which the client finds it.

    Raises:
        UserError: it does not start (names the log), or a path with a blank.
    """
    if any(c.isspace() for c in str(CLIENT)):
        raise UserError(f"{CLIENT}: --python takes no path with a blank in it")
    # An abstract socket: no file to remove, and no limit of 107 bytes to its folder.
    address = f"mini_mos_warm_{os.getpid()}_{time.monotonic_ns()}"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "warm.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "mini_mos.warm.server", address],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait_for(server, address, log)
        yield {ADDRESS: address}
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: subprocess.Popen, address: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with socket.socket(socket.AF_UNIX) as connection:
            # A connection that asks nothing is dropped by its keeper.
            if connection.connect_ex(f"\0{address}") == 0:
                return
        time.sleep(0.1)
    raise UserError(f"{log}: the server of warm processes did not start")


def serve(address: str) -> None:
    """Answer clients until this process is ended."""
    for name in PRELOADED:
        importlib.import_module(name)
    import torch

    # Workers take their threads from their own options; a pool dies in a fork.
    torch.set_num_threads(1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{address}")
        listener.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers need no burial
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _in_child(partial(_keep, connection))
            connection.close()


def _keep(connection: socket.socket) -> int:
    """Fork a worker for what the client asks, and tell it how that ended."""
    # Whoever stops the server's group must not end this before the worker.
    os.setpgid(0, 0)
    # An abstract socket is anybody's on this machine; the worker is this user's.
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if struct.unpack("3i", peer)[1] != os.getuid():
        return 0
    head, fds, _, _ = socket.recv_fds(connection, 8, 3)
    if len(head) < 8:
        return 0
    size = int.from_bytes(head, "little")
    request = json.loads(connection.recv(size, socket.MSG_WAITALL))
    pid = os.fork()
    if pid == 0:
        connection.close()
        os.setpgid(0, 0)
        _in_child(partial(_work, request, fds))
    os.setpgid(pid, pid)  # here as well: it may not have come so far
    for fd in fds:
        os.close(fd)
    ended = os.pidfd_open(pid)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:  # the client says nothing more: it is gone
        _end_group(pid, ended)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        connection.sendall(code.to_bytes(8, "little", signed=True))
    except OSError:
        logging.info("the client is gone")  # and needs no answer
    return 0


def _end_group(pid: int, ended: int) -> None:
    """End the processes of a worker, with force where it does not end by itself."""
    try:
        os.killpg(pid, signal.SIGTERM)
        if not select.select([ended], [], [], _GRACE_SECONDS)[0]:
            os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        logging.info("it had ended already")


def _work(request: Mapping[str, Any], fds: List[int]) -> int:
    """Do what `python3 -m MODULE ARGUMENTS` does; return its exit status."""
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["cwd"]
    logging.getLogger().handlers.clear()
    module, *arguments = request["argv"]
    sys.argv = [module, *arguments]
    if module == _TRAINER and os.environ.get(PRODUCTS):
        _set_products(os.environ[PRODUCTS])
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    return 0


def _set_products(precision: str) -> None:
    """Let float32 matrix products and convolutions be of another precision."""
    import torch

    for part in ("matmul", "conv"):
        backend = getattr(torch.backends.mkldnn, part, None)
        if backend is not None:  # torch before 2.9: all is of float32
            backend.fp32_precision = precision
    # Under bfloat16 products the CPU's flash attention takes five times as long (torch
    # 2.11), and a step as long as in float32; without it three quarters.
    torch.backends.cuda.enable_flash_sdp(False)


def _in_child(function: Callable[[], int]) -> NoReturn:
    """Leave this process with what `function` returns, past the server's own end."""
    code = 1
    try:
        code = function()
    except BaseException:  # what python3 itself would say
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
