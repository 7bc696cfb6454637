"""utils/parse_options.sh: values are stored as they are, mistakes are one line."""

import subprocess
from pathlib import Path

import pytest

PARSE_OPTIONS = (
    Path(__file__).parents[2] / "egs2/TEMPLATE/distilmos1/utils/parse_options.sh"
)
SCRIPT = f"""
set -euo pipefail
stage=1
max_len=20.5
nj=4
skip_train=false
train_args=
tag="a b"
readonly fixed=1
list=(1 2)
. "{PARSE_OPTIONS}"
printf '%s\\0' "$stage" "$max_len" "$skip_train" "$train_args" "$tag" "$@"
"""
NAMES = ["stage", "max_len", "skip_train", "train_args", "tag"]


def bash(*args, script=SCRIPT):
    return subprocess.run(
        ["bash", "-c", script, "./some/recipe.sh", *args],
        capture_output=True,
        text=True,
        timeout=30,
    )


def values(*args):
    """Options by name, and the positional parameters that are left."""
    done = bash(*args)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    fields = done.stdout.split("\0")[:-1]
    return dict(zip(NAMES, fields)), fields[len(NAMES) :]


def test_defaults_stay_without_options():
    options, rest = values()
    assert options == dict(zip(NAMES, ["1", "20.5", "false", "", "a b"]))
    assert rest == []


def test_both_forms_dashes_and_the_last_one_wins():
    options, _ = values("--stage", "3", "--skip-train=true", "--stage=5")
    assert options["stage"] == "5"
    assert options["skip_train"] == "true"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "two words",
        "--max_epoch 2 --optim adam",
        "--resume",
        'it\'s "quoted" \\ $HOME `id` $(touch pwned); exit 3',
        "a=b=c",
        "* ? [a]",
        "two\nlines",
        "mañana",
    ],
)
@pytest.mark.parametrize("joined", [True, False])
def test_values_are_only_text(tmp_path, monkeypatch, value, joined):
    monkeypatch.chdir(tmp_path)
    args = [f"--train_args={value}"] if joined else ["--train_args", value]
    assert values(*args)[0]["train_args"] == value
    assert not any(tmp_path.iterdir())


def test_what_follows_the_options_is_left_alone():
    assert values("--nj", "2", "x y", "--stage", "9")[1] == ["x y", "--stage", "9"]
    assert values("--nj", "2", "--", "--stage", "9")[1] == ["--stage", "9"]
    assert values("-x")[1] == ["-x"]


@pytest.mark.parametrize("number", ["0", "-1", "1000", "0.5", "2.", ".5", "1e-3"])
def test_numbers_are_taken(number):
    assert values("--max_len", number)[0]["max_len"] == number


@pytest.mark.parametrize(
    "args, part",
    [
        (["--stag", "1"], "unknown option --stag "),
        (["--PATH", "x"], "unknown option --PATH"),
        (["--BASH_ENV=x"], "unknown option --BASH_ENV"),
        (["--fixed", "2"], "unknown option --fixed"),
        (["--list", "2"], "unknown option --list"),
        (["--a[$(touch pwned)]=1"], "unknown option"),
        (["--stage"], "--stage needs a value"),
        (["--train_args", "--stop-stage=3", "--stage", "--nj"], "--stage needs a"),
        (["--skip_train", "yes"], "--skip_train is true or false, found 'yes'"),
        (["--skip_train", ""], "true or false"),
        (["--stage", "all"], "--stage is a number, found 'all'"),
        (["--stage="], "--stage is a number"),
        (["--stage", "1.5"], "--stage is a whole number, found '1.5'"),
        (["--stage", "1e0"], "--stage is a whole number"),
        (["--nj", "-1"], "--nj is a whole number"),
        (["--nj", "08"], "--nj is a whole number"),
        (["--stage", "9" * 20], "--stage is a whole number"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, args, part):
    monkeypatch.chdir(tmp_path)
    done = bash(*args)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("recipe.sh: error: ")
    assert part in done.stderr
    assert not any(tmp_path.iterdir())


def test_help():
    script = f'help_message="Usage: me"; nj=1; . "{PARSE_OPTIONS}"; echo no'
    done = bash("--nj", "3", "--help", script=script)
    assert (done.returncode, done.stdout) == (0, "Usage: me\n")
    assert "./some/recipe.sh" in bash("-h").stdout


def test_leaves_nothing_behind():
    script = f'nj=1; . "{PARSE_OPTIONS}"; compgen -v _po; compgen -A function _po'
    assert bash("--nj", "3", script=script).stdout == ""
