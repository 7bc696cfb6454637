"""setup.sh: the recipe folder of a new corpus, and its run.sh."""

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "egs2/TEMPLATE/distilmos1"


def setup(*args, cwd="/"):
    return subprocess.run(
        [TEMPLATE / "setup.sh", *args], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def recipe(tmp_path):
    done = setup("egs2/my corpus/distilmos1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "egs2/my corpus/distilmos1"


def test_folder_is_whole_and_linked(recipe):
    names = {p.name for p in recipe.iterdir()}
    assert names == (
        {"distilmos.sh", "path.sh", "cmd.sh", "utils", "conf", "run.sh", "local"}
    )
    for name in ("distilmos.sh", "path.sh", "cmd.sh", "utils"):
        assert (recipe / name).is_symlink() and (recipe / name).exists()
        assert not os.readlink(recipe / name).startswith("/")
        assert (recipe / name).resolve() == (TEMPLATE / name).resolve()
    assert (recipe / "conf/upstream/mini.yaml").exists()
    for name in ("run.sh", "local/data.sh"):
        assert os.access(recipe / name, os.X_OK) and not (recipe / name).is_symlink()
    # What the labels are is for the user to say.
    assert [p.name for p in (recipe / "local").iterdir()] == ["data.sh"]
    assert [p.name for p in recipe.parent.iterdir()] == ["distilmos1"]


def test_what_is_there_is_left_alone(recipe, tmp_path):
    (recipe / "run.sh").write_text("mine")
    done = setup("egs2/my corpus/distilmos1/", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "setup.sh: error: egs2/my corpus/distilmos1: is there already; "
        "nothing was changed\n"
    )
    assert (recipe / "run.sh").read_text() == "mine"


@pytest.mark.parametrize(
    "args, code, message",
    [
        (["egs2/mycorpus"], 1, "a folder <corpus>/distilmos1 was expected"),
        ([], 2, "Usage: "),
        (["a", "b"], 2, "Usage: "),
        (["--help"], 0, "Usage: "),
    ],
)
def test_mistakes(tmp_path, args, code, message):
    done = setup(*args, cwd=tmp_path)
    assert (done.returncode, message in done.stderr) == (code, True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def calls(recipe):
    """run.sh with a distilmos.sh that shows what it is given; nvidia-smi if asked."""
    (recipe / "distilmos.sh").unlink()
    (recipe / "distilmos.sh").write_text(
        '#!/bin/sh\necho "csv $DISTILMOS_CSV name $DISTILMOS_LABEL_NAME"\n'
        '[ -z "$DISTILMOS_SCALES" ] || echo "scales $DISTILMOS_SCALES"\n'
        'printf "<%s>\\n" "$@"\n'
    )
    (recipe / "distilmos.sh").chmod(0o755)

    def call(*args, gpus=None):
        bin_dir = recipe.parent / "bin"
        bin_dir.mkdir(exist_ok=True)
        smi = bin_dir / "nvidia-smi"
        smi.write_text("#!/bin/sh\n" + (f"echo '{gpus}'" if gpus else "exit 9") + "\n")
        smi.chmod(0o755)
        env = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"}
        return subprocess.run(
            ["./run.sh", *args], cwd=recipe, env=env, capture_output=True, text=True
        )

    return call


def test_run_hands_on(calls):
    done = calls("--csv", "/a b/c.csv", "--scale=0,100", "--stage", "1", "--tag", "x y")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "csv /a b/c.csv name "
    assert "<--local_data_opts=--scale=0,100>" in lines
    assert lines[-4:] == ["<--stage>", "<1>", "<--tag>", "<x y>"]
    labels = calls("--label_kind", "objective", "--label_name=my measure").stdout
    assert labels.startswith("csv  name my measure\n")
    assert "<--local_data_opts=--label_kind=objective>" in labels
    more = calls("--local_data_opts", "--seed 3", "--skip_bad", "true").stdout
    assert "<--local_data_opts=--seed 3 --skip_bad=true>" in more


@pytest.mark.parametrize("words", [["--scales", "a B"], ["--scales=a B"]])
def test_scales_are_for_the_data_and_for_the_training(calls, words):
    lines = calls("--csv", "x.csv", *words).stdout.splitlines()
    assert lines[1] == "scales a B"
    assert [line.strip("<>") for line in lines[-len(words) :]] == words


def test_run_takes_what_the_machine_can_train(calls):
    done = calls()
    assert "<conf/upstream/mini.yaml>" in done.stdout and "<0>" in done.stdout
    assert "--preset mini, as this machine has no GPU" in done.stderr
    assert "weights" not in done.stderr  # what it is, its own record says
    done = calls(gpus="GPU 0: NVIDIA")
    assert "<conf/upstream/wavlm_base_plus.yaml>" in done.stdout
    assert "--preset wavlm, as this machine has a GPU" in done.stderr
    assert "mini.yaml" in calls("--preset", "mini", gpus="GPU 0: NVIDIA").stdout
    assert "wavlm_base_plus" in calls("--preset=wavlm").stdout
    whisper = calls("--preset", "whisper").stdout
    assert "train_distilmos_own_whisper_tiny.yaml" in whisper
    assert "valid.mos_loss.ave.pth" in whisper


@pytest.mark.parametrize("name", ["mini", "mini_random", "fbank"])
def test_what_the_upstream_is_comes_from_its_own_record(recipe, name):
    """No script has a sentence of its own on an upstream, which another makes wrong."""
    done = subprocess.run(
        ["./run.sh", "--upstream", f"conf/upstream/{name}.yaml", "--skip_train", "true"]
        + ["--stage", "5", "--stop_stage", "5"],
        cwd=recipe,
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = (recipe / f"conf/upstream/{name}.yaml").read_text().splitlines()
    comment = takewhile(lambda line: line.startswith("#"), record)
    said = " ".join(line.lstrip("# ") for line in comment)
    assert f"Upstream conf/upstream/{name}.yaml: {said}" in " ".join(
        done.stdout.split()
    )
    assert ("RANDOM weights" in done.stdout) == (name == "mini_random")


@pytest.mark.parametrize(
    "args, message",
    [
        (["--csv"], "run.sh: error: option --csv needs a value"),
        (["--preset", "big"], "--preset big: auto, mini, whisper or wavlm"),
    ],
)
def test_mistakes_of_run(calls, args, message):
    done = calls(*args)
    assert done.returncode == 1 and message in done.stderr.splitlines()[-1]
    assert done.stdout == ""
