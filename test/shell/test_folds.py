"""`--folds`: the recipe's loop over folds, killed in one of them, and its refusals.

What needs an upstream or ESPnet is a stand-in; data, folds and tables are real.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espnet2_distilmos.utils.datadir import DataDir, read_floats

REPO = Path(__file__).parents[2]
RECIPE = REPO / "egs2/mini_mos/distilmos1"
# Trains by writing a checkpoint, but is killed once in fold 2; predicts the labels.
STAND_IN = """#!{python}
import os, signal, sys
from pathlib import Path

args = sys.argv[1:]
name = args[1].rpartition(".")[2] if args[:1] == ["-m"] else ""

def folder(option="--output_dir"):
    return Path(args[args.index(option) + 1])

if name in ("uses_tokens", "starts_from_probe"):
    print("false")
elif name == "training_stamp":
    if (folder() / "config.yaml").exists():
        print("already trained, nothing to do")
elif name == "launch":
    with open("trained", "a") as f:
        print(folder(), file=f)
    if "fold2" in str(folder()) and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder() / "valid.srcc.best.pth").touch()
    (folder() / "config.yaml").write_text("{{}}")
elif name == "collect_stats":
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / "speech_shape").touch()
elif name == "distilmos_inference":
    (folder() / "test").mkdir(parents=True, exist_ok=True)
    labels = (folder("--data_dirs") / "utt2mos").read_text()
    (folder() / "test/utt2mos").write_text(labels)
elif name in ("plot_training", "score_sets"):
    pass
elif name != "show_results" or "/fold" not in args[-1]:
    os.execv("{python}", ["{python}", *args])
"""


@pytest.fixture
def recipe(tmp_path, noise, make_set):
    """A recipe folder with 24 clips of 8 systems in data/all."""
    folder = tmp_path / "my mos/distilmos1"
    folder.mkdir(parents=True)
    (folder / "path.sh").symlink_to(REPO / "path.sh")
    for name in ("run.sh", "cmd.sh", "distilmos.sh"):
        shutil.copy(RECIPE / name, folder)
    for name in ("conf", "utils"):
        shutil.copytree(RECIPE / name, folder / name)
    (folder / "local").mkdir()
    scripts = {
        "python": STAND_IN.format(python=sys.executable),
        "local/data.sh": "#!/bin/sh\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    clips = {f"u{i:02d}": 0.1 * noise(i, 3200) for i in range(24)}
    mos = {u: 1.0 + i % 8 / 2 for i, u in enumerate(clips)}
    make_set(
        folder / "data/all",
        clips,
        mos=mos,
        systems={u: f"s{i % 8}" for i, u in enumerate(clips)},
    )
    return folder


def run(recipe, *args):
    options = ("--python", "./python", "--reference_rows", "false", "--tag", "x")
    return subprocess.run(
        ["./run.sh", *options, "--fold_set", "all", *args],
        cwd=recipe,
        env={**os.environ, "DISTILMOS_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


def test_a_killed_run_goes_on_with_the_fold_that_was_not_trained(recipe):
    done = run(recipe, "--folds", "2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "exp/cv2_system_all/fold2/mos_x/train.log)"
    )
    assert "training failed: killed by signal 9" in done.stderr.splitlines()[-1]
    exp = recipe / "exp/cv2_system_all"
    assert not (exp / "mos_x").exists()
    done = run(recipe, "--folds", "2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    trained = (recipe / "trained").read_text().splitlines()
    folds = [Path(line).parent.name for line in trained]
    assert folds == ["fold1", "fold2", "fold2"]
    assert "dump/cv2_system_all: already whole, nothing to do" in done.stderr
    # Formatted once; every clip was tested by one fold.
    assert [p.name for p in (recipe / "dump").iterdir()] == ["cv2_system_all"]
    tests = [
        DataDir.load(recipe / f"dump/cv2_system_all/fold{i}/raw/test") for i in (1, 2)
    ]
    assert sorted(u for t in tests for u in t.wavs) == [f"u{i:02d}" for i in range(24)]
    systems = [set(t.systems.values()) for t in tests]
    assert sorted(s for names in systems for s in names) == [f"s{i}" for i in range(8)]
    scored = exp / "mos_x/inference_valid.srcc.best/cv2_system_all"
    assert read_floats(scored / "utt2mos") == read_floats(recipe / "data/all/utt2mos")
    assert (scored / "scatter.png").stat().st_size > 0
    results = (exp / "RESULTS.md").read_text()
    assert (
        "## cv2_system_all\n\nOut of fold: 24 clips of 8 systems (all) in 2" in results
    )
    assert "| utterance | mos_x | 24 | 0.000 [0.000, 0.000] |" in " ".join(
        results.split()
    )
    # The script that goes on with one fold.
    again = (exp / "fold2/mos_x/run.sh").read_text()
    assert "--expdir exp/cv2_system_all/fold2" in again


@pytest.mark.parametrize(
    "args, message",
    [
        (["--folds", "1"], "--folds 1: 2 are the least (0: no cross-validation)"),
        (["--folds", "2.5"], "option --folds is a whole number, found '2.5'"),
        (
            ["--folds", "2", "--fold_by", "day"],
            "--fold_by day: system, speaker or clip",
        ),
        (
            ["--folds", "2", "--fold_set", "x/all"],
            "--fold_set x/all: a folder of data/",
        ),
        (["--folds", "2", "--mos_exp", "exp/y"], "--folds and --mos_exp do not go"),
        (["--folds", "2", "--scales", "SIG"], "--folds and --scales do not go"),
        (["--fold_train_set", "more"], "--fold_train_set goes with --folds"),
        (["--embed_audio", "5"], "--embed_audio goes with --report true"),
        (
            ["--report", "true", "--embed_audio", "abc"],
            "--embed_audio abc: a number of MB above 0",
        ),
        (["--report", "true", "--embed_audio", "0.0"], "--embed_audio 0.0: a number"),
        (["--scales", "S-G"], "--scales 'S-G': 'S-G' is no name of a scale"),
        (["--scales", "MOS SIG"], "'MOS' is no name of a further scale"),
        (
            [
                *("--scales", "SIG", "--train_set", "all", "--valid_set", "all"),
                *("--test_sets", "all"),
            ],
            "dump/raw/all/utt2scores: no such file",
        ),
        (["--folds", "2", "--stop_stage", "7"], "--folds: stages 1 to 6 only"),
        (
            ["--folds", "2", "--stage", "5"],
            "cv2_system_all/folds.yaml: no such file; run",
        ),
        (
            ["--folds", "2", "--fold_set", "all more"],
            "makes no such set, there are: all",
        ),
        (["--folds", "9"], "9 folds by system need as many systems, there are 8;"),
    ],
)
def test_mistakes_are_one_line(recipe, args, message):
    done = run(recipe, *args)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
