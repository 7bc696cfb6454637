"""One trainer a folder, and none that goes on when its launcher is gone."""

import argparse
import contextlib
import os
import select
import signal
import stat
import threading
from typing import Iterator

from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import folder_lock


@contextlib.contextmanager
def only_trainer(args: argparse.Namespace) -> Iterator[bool]:
    """Lock `args.output_dir` while the block runs; the first process does so for all.

    Yields whether this is the first process.

    Args:
        args: of ESPnet's task: `output_dir` (None = nothing is written), `dist_rank`
            and `dist_launcher`.

    Raises:
        UserError: another training has the folder.
    """
    from espnet2.train.distributed_utils import get_node_rank

    first = not get_node_rank(args.dist_rank, args.dist_launcher)
    with contextlib.ExitStack() as stack:
        if first and args.output_dir is not None:
            stack.enter_context(folder_lock(args.output_dir))
        yield first


@contextlib.contextmanager
def errors_of_children() -> Iterator[None]:
    """Make a :class:`UserError` of a process that ESPnet has spawned one of this."""
    from torch.multiprocessing import ProcessRaisedException

    prefix = f"{UserError.__module__}.{UserError.__qualname__}: "
    try:
        yield
    except ProcessRaisedException as e:
        last = str(e).rstrip().rsplit("\n", 1)[-1]
        if not last.startswith(prefix):
            raise
        raise UserError(last[len(prefix) :]) from e


def end_without_reader() -> None:
    """Stop this process when the one that reads its output, through a pipe, has gone.

    ESPnet's launcher starts trainers on other hosts through ssh, whose end they do not
    notice otherwise.
    """
    if not stat.S_ISFIFO(os.fstat(1).st_mode):
        return
    poll = select.poll()
    poll.register(1, 0)  # errors are reported in any case: nobody reads any more

    def watch() -> None:
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
