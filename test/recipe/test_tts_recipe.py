"""setup.sh and evaluate_distilmos.sh in a tts1 recipe of an ESPnet checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from espnet_tree import LAYOUTS, make_espnet, make_fbank_model, state, write

REPO = Path(__file__).parents[2]
SETUP = REPO / "egs2/TEMPLATE/tts1/setup.sh"
ENV = {**os.environ, "PYTHONPATH": str(REPO)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_fbank_model(tmp_path_factory.mktemp("tts") / "model")


def setup(*arguments):
    return subprocess.run([SETUP, *arguments], capture_output=True, text=True)


@pytest.fixture
def recipe(tmp_path, request):
    return make_espnet(tmp_path / "espnet", getattr(request, "param", LAYOUTS[0]))


def decode(recipe, tag, dset="dev", n_clips=3):
    """What tts.sh leaves: 24 kHz wavs and their list. IDs are not the file names."""
    import numpy as np
    import soundfile

    folder = recipe / f"exp/tts_vits/{tag}/{dset}/wav"
    folder.mkdir(parents=True)
    lines = []
    for i in range(n_clips):
        rng = np.random.default_rng(i + 10 * len(tag))
        samples = 0.1 * rng.standard_normal(12000 + 2000 * i)
        soundfile.write(folder / f"out{9 - i}.wav", samples, 24000)
        lines.append(f"LJ050-{i} {folder.relative_to(recipe)}/out{9 - i}.wav\n")
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def evaluate(recipe, *arguments, **env):
    """As a user does: from the recipe's folder, which the list's paths start from."""
    return subprocess.run(
        ["local/evaluate_distilmos.sh", *map(str, arguments)],
        cwd=recipe,
        env={**ENV, **env},
        capture_output=True,
        text=True,
    )


def test_the_recipe_way(recipe, model, tmp_path):
    """Set up, score two checkpoints with two jobs each, show the table, take away."""
    checkpoints = [decode(recipe, f"decode_{n}epoch") for n in (9, 10)]
    root = recipe.parents[2]
    untouched = state(root)
    done = setup(recipe)
    assert done.returncode == 0, done.stderr
    script = recipe / "local/evaluate_distilmos.sh"
    after = state(root)
    assert set(after) - set(untouched) == {str(script.relative_to(root))}
    assert {k: v for k, v in after.items() if k in untouched} == untouched
    assert f"\ndistilmos_root={REPO}\n" in script.read_text()

    calls, table = tmp_path / "calls", recipe / "exp/pmos.txt"
    done = evaluate(
        recipe,
        *("--nj", 2, "--python", sys.executable, "--model", model),
        *("--table", table, "exp/tts_vits"),
        RUN_PL_CALLS=str(calls),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for folder in checkpoints:
        scores = (folder / "utt2pmos").read_text().splitlines()
        assert [line.split()[0] for line in scores] == [f"LJ050-{i}" for i in range(3)]
        average = (folder / "pmos_avg_result.txt").read_text()
        assert re.match(r"#utterances: 3\nAverage: -?[\d.]+ ± [\d.]+\n", average)
        from espnet2_distilmos.inference.engine import DistilMOSInference

        engine = DistilMOSInference(None, model / "model.pth")
        for i, line in enumerate(scores):
            (result,) = engine.score_files([folder / f"out{9 - i}.wav"])
            assert float(line.split()[1]) == pytest.approx(result["mos"], abs=1e-4)
    rows = [line.split()[:4] for line in table.read_text().splitlines()[1:3]]
    assert rows == [["tts_vits", f"decode_{n}epoch", "dev", "3"] for n in (9, 10)]
    assert table.read_text() in done.stdout
    # Through decode_cmd of the recipe's cmd.sh, one array of two jobs a folder.
    lines = calls.read_text().splitlines()
    assert len(lines) == 2
    assert all(
        line.startswith("run.pl --gpu 0 JOB=1:2 exp/tts_vits/") for line in lines
    )

    for name in ("TEMPLATE", "../tools"):
        top = root / "egs2" / name
        part = str(top.resolve().relative_to(root)) + "/"
        assert {k: v for k, v in state(root).items() if k.startswith(part)} == {
            k: v for k, v in untouched.items() if k.startswith(part)
        }
    done = setup("--undo", recipe)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(recipe / "exp")
    before = {k: v for k, v in untouched.items() if "ljspeech/tts1/exp" not in k}
    assert state(root) == before


def test_a_bad_clip_is_named_and_the_rest_is_scored(recipe, model, tmp_path):
    bad = decode(recipe, "bad")
    (bad / "out8.wav").write_text("no audio")
    assert setup(recipe).returncode == 0
    calls = tmp_path / "calls"
    done = evaluate(
        recipe,
        *("--python", sys.executable, "--model", model, "--gpu_inference", "true"),
        *("--nj", 1, bad),
        RUN_PL_CALLS=str(calls),
    )
    assert done.returncode == 1
    assert f"not whole: {bad}/wav.scp" in done.stderr.splitlines()[-1]
    assert "1 of 3 utterances could not be scored, e.g. LJ050-1: " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    scored = (bad / "utt2pmos").read_text().splitlines()
    assert [line.split()[0] for line in scored] == ["LJ050-0", "LJ050-2"]
    # Through cuda_cmd.
    assert calls.read_text().startswith(
        "run.pl --config conf/gpu.conf --gpu 1 JOB=1:1 "
    )


@pytest.mark.parametrize("recipe", LAYOUTS, indirect=True)
@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "decode folders are needed"),
        (["exp/none"], "exp/none: no such file or folder"),
        (["--outdir", "x", "exp"], "--outdir is for one decode folder, there are 2"),
        (["--bogus", "1", "exp"], "invalid option --bogus"),
    ],
)
def test_mistakes_are_named_before_anything_is_done(recipe, arguments, message):
    decode(recipe, "a")
    decode(recipe, "b")
    assert setup(recipe).returncode == 0
    done = evaluate(recipe, "--python", sys.executable, *arguments)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert not list(recipe.rglob("utt2pmos"))


def test_without_the_package_it_says_how_to_get_it(recipe, tmp_path):
    """The recipe's Python has none; then that of the DistilMOS checkout is taken."""
    folder = decode(recipe, "a")
    assert setup(recipe).returncode == 0
    script = recipe / "local/evaluate_distilmos.sh"
    text = re.sub("distilmos_root=.*", f"distilmos_root={tmp_path}", script.read_text())
    script.write_text(text)
    python3 = write(tmp_path / "bin/python3", "#!/bin/sh\nexit 1\n", True)
    path = f"{python3.parent}:{os.environ['PATH']}"
    done = evaluate(recipe, folder, PATH=path)
    assert done.returncode == 1
    message = f"has no espnet2_distilmos: pip install {tmp_path}, or give --python"
    assert message in done.stderr.splitlines()[-1]
    own = '#!/bin/sh\necho "own $*" >>"$CALLS"; exit 1\n'
    write(tmp_path / ".venv/bin/python", own, True)
    done = evaluate(recipe, folder, PATH=path, CALLS=str(tmp_path / "calls"))
    assert done.returncode == 1
    assert "own -m espnet2_distilmos.bin.evaluate" in (tmp_path / "calls").read_text()


def test_setup_overwrites_nothing(recipe, tmp_path):
    script = recipe / "local/evaluate_distilmos.sh"
    script.write_text("mine")
    done = setup(recipe)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert script.read_text() == "mine"
    done = setup("--undo", recipe)
    assert done.returncode == 1
    assert "not as setup.sh left it" in done.stderr
    assert script.read_text() == "mine"
    script.unlink()
    assert setup(recipe).returncode == 0
    assert "is there already" in setup(recipe).stderr
    script.write_text(script.read_text() + "# my own change\n")
    assert setup("--undo", recipe).returncode == 1
    assert script.exists()
    # A dangling link is there, too.
    script.unlink()
    script.symlink_to(tmp_path / "nowhere")
    assert setup(recipe).returncode == 1
    assert not (tmp_path / "nowhere").exists()


def test_setup_writes_through_no_link(recipe, tmp_path):
    shared = tmp_path / "shared"
    shutil.move(recipe / "local", shared)
    (recipe / "local").symlink_to(shared)
    before = state(tmp_path)
    done = setup(recipe)
    assert done.returncode == 1
    assert "local: is a link" in done.stderr
    assert state(tmp_path) == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which recipe?"),
        (["/none"], "/none: no such folder"),
        (["/tmp"], "not a recipe of ESPnet"),
        (["--undo", "/tmp"], "is not there, nothing to undo"),
        (["--remove", "x"], "unknown option --remove"),
        (["a", "b"], "one recipe at a time"),
    ],
)
def test_setup_names_mistakes(arguments, message):
    done = setup(*arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
