"""run.sh at the top: picks the recipe and hands the options on."""

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "run.sh"


@pytest.fixture
def top(tmp_path):
    shutil.copy(RUN, tmp_path)
    for corpus in ("bvcc", "mini_mos"):
        recipe = tmp_path / "egs2" / corpus / "distilmos1/run.sh"
        recipe.parent.mkdir(parents=True)
        recipe.write_text('#!/bin/sh\npwd\nprintf "%s|" "$@"\n')
        recipe.chmod(0o755)
    (tmp_path / "egs2/TEMPLATE/distilmos1").mkdir(parents=True)
    return tmp_path


def run(top, *args):
    return subprocess.run(
        [top / "run.sh", *args], cwd="/", capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize(
    "args, corpus, rest",
    [
        ([], "mini_mos", "|"),
        (["--stage", "3", "--tag", "a b"], "mini_mos", "--stage|3|--tag|a b|"),
        (["--stage", "3", "--corpus", "bvcc", "--nj=2"], "bvcc", "--stage|3|--nj=2|"),
        (["--corpus=bvcc", ""], "bvcc", "|"),
    ],
)
def test_hands_over(top, args, corpus, rest):
    done = run(top, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{top}/egs2/{corpus}/distilmos1\n{rest}"


@pytest.mark.parametrize(
    "args",
    [["--corpus", "vctk"], ["--corpus"], ["--corpus="], ["--corpus", "TEMPLATE"],
     ["--corpus", "../egs2/bvcc"]],
)  # fmt: skip
def test_unknown_corpus_is_one_line_with_those_there_are(top, args):
    done = run(top, *args)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("run.sh: error: ")
    assert done.stderr.endswith("there are: bvcc mini_mos\n")


def cmd_sh(**env):
    show = '. ./cmd.sh && echo "$train_cmd|$cuda_cmd|$decode_cmd"'
    env = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(
        ["bash", "-euc", show], cwd=RUN.parent, env=env, capture_output=True, text=True
    )


def test_jobs_are_local_unless_asked():
    assert cmd_sh().stdout == "|".join(["utils/run_local.py"] * 3) + "\n"


def test_cluster_scripts_come_from_the_path_or_a_checkout(tmp_path):
    queue = tmp_path / "tools/kaldi/egs/wsj/s5/utils/parallel/queue.pl"
    queue.parent.mkdir(parents=True)
    queue.touch(0o755)
    found = cmd_sh(cmd_backend="sge", MAIN_ROOT=str(tmp_path))
    assert found.stdout == "|".join([str(queue)] * 3) + "\n"
    found = cmd_sh(cmd_backend="sge", PATH=f"{queue.parent}:/usr/bin:/bin")
    assert found.stdout == "|".join([str(queue)] * 3) + "\n"


@pytest.mark.parametrize(
    "backend, part", [("slurm", "needs slurm.pl"), ("lsf", "unknown cmd_backend=lsf")]
)
def test_a_backend_that_is_not_there_is_one_line(backend, part):
    done = cmd_sh(cmd_backend=backend)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert part in done.stderr
