"""The scorer with torch and without ESPnet."""

import csv
import io
import json

import pytest
from light_installs import (
    ALL_HELP,
    distributions_of_the_scorer,
    modules_besides,
    runner,
)

from espnet2_distilmos.bin.main import COMMANDS, NEEDS
from espnet2_distilmos.utils.extras import PACKAGES


@pytest.fixture(scope="module")
def hidden():
    """Modules that the scorer with torch does not bring."""
    modules = modules_besides(distributions_of_the_scorer("torch"))
    # The scorer has none of these; and the test would say nothing without them.
    assert {"espnet2", "sklearn", "kaldiio", "pesq", "joblib", "pytest"} <= set(modules)
    assert not {"torch", "s3prl", "soundfile", "matplotlib"} & set(modules)
    return json.dumps(modules)


@pytest.fixture(scope="module")
def light(hidden):
    """Function: run `distilmos ARGS` (or other code) as `[torch]` is installed."""
    return runner(hidden)


def lacking(hidden, name):
    return set(NEEDS.get(name, ())) & {*json.loads(hidden), "versa"}


def test_help_lists_what_this_install_cannot_do_apart(light, hidden):
    done = light("--help")
    assert done.returncode == 0, done.stderr
    can, cannot = done.stdout.split("\nnot in this install, for want of packages:\n")
    for name in COMMANDS:
        place, other = (cannot, can) if lacking(hidden, name) else (can, cannot)
        assert f"\n  {name} " in place and f"\n  {name} " not in other, name
    for name in ("score", "info", "benchmark", "evaluate", "compare-tts", "score-mos"):
        assert f"\n  {name} " in can
    line = 'pip install "espnet2-distilmos[train] @ git+REPOSITORY":\n  train  '
    assert line in cannot


def test_help_of_every_command(light, hidden):
    done = light(code=ALL_HELP)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in results] == list(COMMANDS)
    failed = {name: err for name, code, err in results if code != 0}
    # Its options are ESPnet's.
    assert set(failed) == {"train"}
    assert failed["train"].startswith("error: needs espnet, ")
    assert failed["train"].count("\n") == 1


def test_the_scorer_scores_the_same(light, tiny_model, clip, engine):
    done = light("score", "--model", tiny_model, "--device", "cpu", clip)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    (expected,) = engine.score_files([clip])
    assert float(row["mos"]) == pytest.approx(expected["mos"], abs=1e-4)
    done = light("info", "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert "wavlm_local" in done.stdout


def options_for(name, tmp_path, tiny_model, clip):
    """Options with which a command gets as far as its packages."""
    wav_scp = tmp_path / "wav.scp"
    wav_scp.write_text(f"clip {clip}\n")
    config = tmp_path / "pretrain.yaml"
    return {
        "train": [],
        "versa": ["--pred", wav_scp],
        "inference": [
            *("--output_dir", tmp_path / "out"),
            *("--data_path_and_name_and_type", f"{wav_scp},speech,sound"),
            *("--model_file", tiny_model / "model.pth"),
        ],
        "score-sets": [
            *("--train_dir", tmp_path, "--data_dirs", tmp_path),
            *("--rows_dir", tmp_path / "out"),
        ],
        "tokenize-layers": [
            *("--kmeans_dir", tmp_path, "--data_dirs", tmp_path),
            *("--upstream_config", config),
        ],
    }[name]


@pytest.mark.parametrize(
    "name, words",
    [
        ("train", "needs espnet, typeguard, kaldiio, tensorboard, which"),
        ("inference", "needs kaldiio, which"),
        ("score-sets", "needs threadpoolctl, scikit-learn, which"),
        ("tokenize-layers", "needs kaldiio, which"),
        ("versa", "VERSA is not installed"),
    ],
)
def test_what_it_lacks_is_one_line(light, name, words, tmp_path, tiny_model, clip):
    done = light(name, *options_for(name, tmp_path, tiny_model, clip))
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"error: {words}"), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert name == "versa" or "espnet2-distilmos[train] @ " in last
    assert not (tmp_path / "out").exists() and not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", NEEDS)
def test_needs_are_of_an_extra(name):
    assert name in COMMANDS
    assert set(NEEDS[name]) <= {*PACKAGES, "versa"}
