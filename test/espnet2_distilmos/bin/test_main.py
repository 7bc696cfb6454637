"""The console command `distilmos`."""

import importlib
import subprocess
import sys
import time

import pytest

import espnet2_distilmos
from espnet2_distilmos.bin.main import COMMANDS, EARLIER, GROUPS, cli

LIGHT = sorted(set(COMMANDS) - {"train"})  # its options are ESPnet's: 15 s


def call(*args, code="from espnet2_distilmos.bin.main import cli; sys.exit(cli())"):
    """`distilmos ARGS` in a process of its own, then the modules it loaded."""
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'espnet2', 's3prl', 'matplotlib', 'sklearn', 'scipy'}\n"
        "atexit.register(lambda: print('loaded', *sorted(heavy & set(sys.modules))))\n"
        f"{code}"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True
    )


def test_help_comes_at_once_and_lists_all_commands():
    start = time.perf_counter()
    done = call("--help")
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    *text, loaded = done.stdout.splitlines()
    assert loaded == "loaded"
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in text), name
    assert seconds < 2  # about 0.1 s on an idle machine


def test_a_user_sees_a_few_commands_first(capsys):
    """Then the rest by group; a name stands in one group."""
    first, *others = GROUPS.values()
    assert 6 <= len(first) <= 9 and {"score", "info", "benchmark"} <= set(first)
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
    cli(["--help"])
    text = capsys.readouterr().out.partition("\nnot in this install")[0]
    for before, after in zip(GROUPS, list(GROUPS)[1:]):
        assert text.index(f"\n{before}:\n") < text.index(f"\n{after}:\n")
    assert max(map(len, text.splitlines())) < 80


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_exist_and_say_what_they_do(name):
    module, what = COMMANDS[name]
    spec = importlib.util.find_spec(f"espnet2_distilmos.bin.{module}")
    assert spec is not None and what
    text = open(spec.origin).read()
    assert "def get_parser(" in text and "def main(" in text


def test_no_command_is_forgotten():
    """Every module of bin/ but the helpers."""
    from pathlib import Path

    folder = Path(espnet2_distilmos.__file__).parent / "bin"
    modules = {path.stem for path in folder.glob("*.py")}
    helpers = {
        "__init__",
        "main",
        "job_options",
        "page_options",
        "scoring_options",
        "upstream_options",
    }
    assert modules - helpers == {module for module, _ in COMMANDS.values()}


@pytest.mark.parametrize(
    "name",
    [
        *("inference", "tokenize-layers", "format-audio"),
        *("score-sets", "prepare-csv", "score-mos", "results"),
    ],
)
def test_help_of_a_command_loads_nothing_heavy(name):
    done = call(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: distilmos {name} ")
    assert done.stdout.splitlines()[-1] == "loaded"


@pytest.mark.parametrize("name", LIGHT)
def test_help_of_every_command(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["distilmos"])
    with pytest.raises(SystemExit) as end:
        cli([name, "--help"])
    assert end.value.code == 0
    assert f"usage: distilmos {name} " in capsys.readouterr().out


def test_version_and_no_command(capsys):
    assert cli(["--version"]) == 0
    assert capsys.readouterr().out == f"{espnet2_distilmos.__version__}\n"
    assert cli([]) == 0
    assert capsys.readouterr().out.startswith("usage: distilmos COMMAND")


def test_unknown_command(capsys):
    assert cli(["trian"]) == 2
    assert capsys.readouterr().err == (
        "error: no command 'trian'; distilmos --help lists them\n"
    )


def test_mistakes_are_one_line_and_exit_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["distilmos"])
    absent = str(tmp_path / "absent")
    assert cli(["format-audio", "--data_dirs", absent, "--output_dir", absent]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert "absent/wav.scp: cannot be read" in err


@pytest.mark.parametrize("name", EARLIER)
def test_commands_of_an_earlier_version_still_work(name, tmp_path, capsys):
    """They name a corpus that there is, and get as far as looking for it."""
    from espnet2_distilmos.corpora.prepare import READERS

    command, option, corpus = EARLIER[name]
    assert command in COMMANDS and option == "--corpus" and corpus in READERS
    absent = str(tmp_path / "absent")
    assert (
        cli([name, "--corpus_dir", absent, "--data_dir", str(tmp_path / "data")]) == 1
    )
    assert absent in capsys.readouterr().err
