"""One trainer a folder; errors of spawned processes; nothing goes on unread."""

import argparse
import os
import signal
import subprocess
import sys

import pytest
from torch.multiprocessing import ProcessRaisedException

from espnet2_distilmos.train.exclusive import errors_of_children, only_trainer
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import folder_lock


def options(folder, rank=None):
    return argparse.Namespace(output_dir=folder, dist_rank=rank, dist_launcher=None)


def test_a_second_trainer_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with only_trainer(options(tmp_path)):
        with pytest.raises(UserError, match=f"{tmp_path}: another process is writing"):
            with only_trainer(options(tmp_path)):
                pass
        # Of one training, the first process has locked for all.
        with only_trainer(options(tmp_path, rank=1)):
            pass
        monkeypatch.setenv("RANK", "1")  # torchrun
        with only_trainer(options(tmp_path)):
            pass
    with only_trainer(options(None)):  # --print_config
        pass


def test_the_command_takes_the_lock(tmp_path):
    from espnet2_distilmos.bin.distilmos_train import main

    with folder_lock(tmp_path / "exp"):
        with pytest.raises(UserError, match="exp: another process is writing here"):
            main(["--output_dir", str(tmp_path / "exp"), "--ngpu", "0"])


def test_errors_of_spawned_processes_are_one_line():
    text = (
        "\n\n-- Process 1 terminated with the following error:\nTraceback (most "
        "recent call last):\n  File ...\n"
        "espnet2_distilmos.utils.errors.UserError: a.wav: bad\n"
    )
    with pytest.raises(UserError, match=r"^a.wav: bad$"):
        with errors_of_children():
            raise ProcessRaisedException(text, 1, 12345)
    with pytest.raises(ProcessRaisedException):
        with errors_of_children():
            raise ProcessRaisedException(text.replace("UserError", "Other"), 1, 12345)


def test_a_trainer_whose_output_nobody_reads_ends():
    script = (
        "import time\n"
        "from espnet2_distilmos.train.exclusive import end_without_reader\n"
        "end_without_reader()\n"
        "print('on', flush=True)\n"
        "time.sleep(60)\n"
    )
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=write)
    os.close(write)
    with open(read) as reader:
        assert reader.readline() == "on\n"
        assert process.poll() is None
    assert process.wait(20) == -signal.SIGTERM
