"""utils/follow.py, follow.sh: progress of jobs in the output of a stage."""

import subprocess
from pathlib import Path

UTILS = Path(__file__).parents[2] / "egs2/TEMPLATE/distilmos1/utils"
EPOCH = (
    "[host] 2026-11-27 19:00:01,1 (trainer:365) INFO: 2epoch results: [train] "
    "iter_time=0.1, loss=0.958, mos_loss=0.606, token_loss=3.5, time=1 hour, 2 minutes "
    "and 3 seconds, total_count=20, [valid] loss=0.878, mos_loss=0.573, "
    "token_acc=0.163, srcc=0.757, time=2.1 seconds, total_count=1\n"
)


def stage(tmp_path, body, logs="'a b.log'"):
    """Standard output and exit code of `body` as a followed command."""
    (tmp_path / "utils").symlink_to(UTILS)
    (tmp_path / "work.sh").write_text(body)
    done = subprocess.run(
        ["bash", "-euc", f". utils/follow.sh; followed {logs} -- bash work.sh 'x y'"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout, done.returncode, done.stderr


def test_epochs_and_progress_are_shown_and_nothing_else(tmp_path):
    (tmp_path / "a b.log").write_text("of an earlier run\n" + EPOCH)
    (tmp_path / "line").write_text(EPOCH)
    body = """
printf 'begun anew (progress:63) INFO: parts: 1 of 4, about 30 s left\\n' >'a b.log'
sleep 1.5
{ printf '(trainer:323) INFO: 2/3epoch started. '
echo 'Estimated time to finish: 4 minutes'; } >>'a b.log'
echo '(trainer:400) INFO: 2epoch:train:1-20batch: loss=1.2' >>'a b.log'
cat line >>'a b.log'
printf 'no end of line' >>'a b.log'
echo "own output: $1"
"""
    out, code, err = stage(tmp_path, body)
    assert code == 0 and err == ""
    assert sorted(out.splitlines()) == [
        "a b.log: epoch 2 of 3 started, about 4 minutes left",
        "a b.log: epoch 2 of 3: training loss 0.958, validation loss 0.878, "
        "regression 0.573, SRCC 0.757, token accuracy 0.163",
        "a b.log: parts: 1 of 4, about 30 s left",
        "own output: x y",
    ]


def test_the_exit_code_is_that_of_the_command(tmp_path):
    out, code, _ = stage(tmp_path, "exit 7")
    assert (out, code) == ("", 7)


def test_of_many_logs_the_first_is_enough(tmp_path):
    say = "for n in 1 2 3 4 5; do echo '(progress:1) INFO: x' >$n.log; done; sleep 1.5"
    out, _, _ = stage(tmp_path, say, "1.log 2.log 3.log 4.log 5.log")
    assert out == "1.log: x\n"


def test_it_ends_with_its_parent(tmp_path):
    """Killed, a stage cannot tell it to stop."""
    (tmp_path / "utils").symlink_to(UTILS)
    stage = subprocess.Popen(
        ["bash", "-c", ". utils/follow.sh; followed a.log -- sh -c 'kill -9 $PPID'"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    assert stage.wait(timeout=60) == -9
    # The pipe is closed when the last process that has it has ended.
    assert stage.communicate(timeout=20)[0] == b""
