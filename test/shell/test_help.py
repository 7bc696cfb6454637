"""--help of the scripts: options with defaults, before an environment is made."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PARSE_OPTIONS = REPO / "egs2/TEMPLATE/distilmos1/utils/parse_options.sh"
LEFT_OUT = (".git", ".venv*", "dump", "exp", "data", "downloads", "results", "test")
RECIPES = sorted(p.parts[-3] for p in REPO.glob("egs2/*/distilmos1/run.sh"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone, whose installer only tells that it was called."""
    to = tmp_path_factory.mktemp("clone") / "repo"
    shutil.copytree(
        REPO, to, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT, "*.png")
    )
    (to / "local/install.sh").write_text("#!/bin/sh\ntouch installed\nexit 1\n")
    shutil.copytree(REPO / "egs2/mini_mos/distilmos1/local", to / "local_of_mini_mos")
    return to


def helped(clone, script, *args):
    """Standard output of `script ARGS --help`, and option -> text."""
    done = subprocess.run(
        ["bash", script, *args, "--help"],
        cwd=clone,  # not the recipe: it finds its own files
        env={"PATH": "/usr/bin:/bin", "HOME": str(clone)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not list(clone.rglob("installed"))
    options = {}
    for name, text in re.findall(
        r"^  --(\w+) +(.*(?:\n {24}.*)*)", done.stdout, re.MULTILINE
    ):
        assert name not in options
        options[name] = " ".join(text.split())
    return done.stdout, options


@pytest.mark.parametrize("corpus", RECIPES)
def test_a_recipes_help_has_its_own_defaults(clone, corpus):
    text, options = helped(clone, f"egs2/{corpus}/distilmos1/run.sh")
    assert len(options) > 45 and all(options.values())
    own = (REPO / f"egs2/{corpus}/distilmos1/run.sh").read_text()
    config = re.search(r"--train_config (\S+)", own).group(1)
    assert options["train_config"] == f"Config for training. (default: {config})"
    assert options["nj"].endswith("parallel jobs, but for predictions. (default: 2)")
    assert options["tag"].startswith("Suffix to the result dir for training.")
    assert "CORPUS/SET is a set of another recipe" in options["test_sets"]
    headings = re.findall(r"^\n?(\w[\w ]+)\n  --", text, re.MULTILINE)
    assert headings[-2:] == ["Training", "Scoring"]
    # The first 20 lines are no code.
    assert "SECONDS" not in text and "help_message" not in options


def test_the_main_script_names_the_corpora(clone):
    text, options = helped(clone, "run.sh", "--corpus", "somos")
    assert {"corpus", "subset", "nj", "train_config"} <= set(options)
    assert all(name in options["corpus"] for name in RECIPES)


def test_what_was_given_before_stands_as_default(clone):
    _, options = helped(clone, "run.sh", "--nj", "7")
    assert options["nj"].endswith("(default: 7)")


@pytest.mark.parametrize(
    "script",
    ["egs2/mini_mos/distilmos1/local/experiment.sh", "egs2/mini_mos/ssl1/run.sh"]
    + ["egs2/tts_engines/tts1/run.sh"]
    + [f"egs2/{corpus}/distilmos1/local/data.sh" for corpus in RECIPES],
)
def test_other_scripts_explain_every_option(clone, script):
    folder = (clone / script).parent
    if folder.name == "local":  # they are called from the recipe
        runs = f"cd {folder.parent} && exec bash local/{Path(script).name} "
        (folder / "call.sh").write_text(f'{runs} "$@"\n')
        script = str(Path(script).parent / "call.sh")
    text, options = helped(clone, script)
    assert "variables at the top" not in text
    assert options and all(options.values())


def test_the_tests_say_what_they_take(clone):
    text, _ = helped(clone, "test.sh")
    assert '-m "not slow"' in text and "PYTEST" in text


def test_misspelled_options_install_nothing(clone):
    done = subprocess.run(
        ["bash", "run.sh", "--stagee", "3"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "unknown option --stagee" in done.stderr
    assert not list(clone.rglob("installed"))


def test_help_is_made_of_the_comments(tmp_path):
    script = tmp_path / "a.sh"
    script.write_text(f"""#!/usr/bin/env bash
# What the script does.
set -e
one=1     # The first.
two="a # b"   # The second,
          # on two lines.
three=    # Empty.

# A heading
# for the last.
four=x%s  # The (default: none of them) fourth.
list=(1)
five=5
# Of six.
six=6
. {PARSE_OPTIONS}
late=1    # No option.
""")
    done = subprocess.run(
        ["bash", str(script), "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == [
        "",
        "  --one                 The first. (default: 1)",
        "  --two                 The second, on two lines. (default: a # b)",
        "  --three               Empty.",
        "",
        "A heading for the last.",
        "  --four                The (default: none of them) fourth.",
        "  --five                 (default: 5)",
        "  --six                 Of six. (default: 6)",
    ]
