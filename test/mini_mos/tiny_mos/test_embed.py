"""`local/embed.sh` of tiny_mos: mistaken options are refused before any work."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]


@pytest.fixture
def recipe(tmp_path):
    """A recipe folder whose path.sh says that the work has begun, and ends."""
    shutil.copytree(REPO / "egs2/tiny_mos/distilmos1/local", tmp_path / "local")
    (tmp_path / "utils").symlink_to(REPO / "egs2/TEMPLATE/distilmos1/utils")
    (tmp_path / "path.sh").write_text("echo begun\nexit 0\n")
    (tmp_path / "set").mkdir()
    for name in ("m.pth", "config.yaml", "ref", "hyp", "set/wav.scp"):
        (tmp_path / name).touch()
    return tmp_path


def embed(recipe, options):
    return subprocess.run(
        ["local/embed.sh", *options.split()],
        cwd=recipe,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--ref_utt2mos ref --hyp_utt2mos hyp --calibration_data words",
        "--output a.onnx",
    ],
)
def test_good_options_begin(recipe, options):
    done = embed(recipe, f"--model_file m.pth {options}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "begun"


@pytest.mark.parametrize(
    "options, message",
    [
        ("", "--model_file is needed"),
        ("--model_file nope.pth", "--model_file nope.pth: no such file"),
        ("--model_file set/wav.scp", "set/config.yaml: no such file"),
        ("--model_file m.pth --ref_utt2mos ref", "predicted, too: --hyp_utt2mos"),
        ("--model_file m.pth --hyp_utt2mos hyp", "labels, too: --ref_utt2mos"),
        (
            "--model_file m.pth --ref_utt2mos ref --hyp_utt2mos none",
            "--hyp_utt2mos none: no such file",
        ),
        (
            "--model_file m.pth --calibration_set set --ref_utt2mos ref",
            "does not go with --ref_utt2mos",
        ),
        ("--model_file m.pth --calibration_set set", "set: has no utt2mos"),
        ("--model_file m.pth --utt2sys ref", "--utt2sys is about clips with labels"),
        ("--model_file m.pth --output no/mos.onnx", "there is no folder no"),
        ("--model_file m.pth --output mos.txt", "ends with .onnx"),
        ("--model_file m.pth --clips none", "--clips none: no such file or folder"),
    ],
)
def test_mistakes_are_one_line(recipe, options, message):
    done = embed(recipe, options)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
    assert "begun" not in done.stdout
