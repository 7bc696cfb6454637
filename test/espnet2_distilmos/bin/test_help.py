"""--help of every command: a word for every option, defaults, examples that parse."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from espnet2_distilmos.bin.main import COMMANDS
from espnet2_distilmos.utils import option_types as takes

REPO = Path(__file__).parents[3]
# How a command is called -> its module.
CALLS = {
    f"distilmos {name}": f"espnet2_distilmos.bin.{module}"
    for name, (module, _) in COMMANDS.items()
} | {
    f"python -m mini_mos.bin.{path.stem}": f"mini_mos.bin.{path.stem}"
    for path in sorted((REPO / "mini_mos" / "bin").glob("*.py"))
    if path.stem != "__init__" and not path.stem.endswith("_options")
}
SCRIPTS = [
    path
    for folder in ("egs2", "local")
    for path in sorted((REPO / folder).rglob("*.sh"))
    if not path.is_symlink()
]


def parser_of(module):
    return importlib.import_module(module).get_parser()


def examples_of(parser):
    """The commands under `examples:`, as a shell splits them."""
    _, _, text = parser.format_help().partition("\nexamples:\n")
    return [shlex.split(x) for x in text.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("call", CALLS)
def test_examples_are_commands_that_the_parser_takes(call, monkeypatch):
    monkeypatch.chdir(REPO)  # ESPnet's parser reads the file of --config
    parser = parser_of(CALLS[call])
    examples = examples_of(parser)
    assert len(examples) >= 2
    start = call.split()
    for words in examples:
        assert words[: len(start)] == start
        if call == "distilmos versa":  # which knows VERSA's options only by their name
            options = [word for word in words if word.startswith("--")]
            assert options and all(x in parser.description for x in options)
            continue
        args = parser.parse_args(words[len(start) :])
        assert vars(args)


def test_an_example_with_a_wrong_option_is_seen(capsys):
    """What the test above relies on: lines come back whole, and are parsed."""
    long = "distilmos x --wrong 1" + " --sets a b" * 8
    parser = argparse.ArgumentParser(
        formatter_class=takes.HelpFormatter, epilog=takes.examples("distilmos x", long)
    )
    assert max(map(len, parser.format_help().splitlines())) < 80
    found = examples_of(parser)
    assert found == [["distilmos", "x"], long.split()]
    with pytest.raises(SystemExit):
        parser.parse_args(found[1][2:])
    assert "--wrong" in capsys.readouterr().err


def commands_on_pages():
    """Every `distilmos ...` in a shell block of README.md and doc/, as words."""
    for page in (REPO / "README.md", *sorted((REPO / "doc").glob("*.md"))):
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("distilmos "):
                    yield shlex.split(line, comments=True)[1:]


def test_commands_on_pages_are_commands_that_the_parser_takes():
    found = [x for x in commands_on_pages() if x[0] not in ("versa", "--help")]
    assert len(found) > 10
    for name, *words in found:
        assert parser_of(CALLS[f"distilmos {name}"]).parse_args(words)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_give_commands_options_that_they_have(script):
    text = re.sub(r"\\\n\s*", " ", script.read_text())
    calls = re.findall(r"-m ((?:espnet2_distilmos|mini_mos)\.bin\.\w+)(.*)", text)
    for module, rest in calls:
        known = parser_of(module)._option_string_actions
        given = re.findall(r"(?<=\s)--\w+", rest.split(" -- ")[0])
        if module.endswith("distilmos_inference"):
            given.remove("--config")  # added when it is parsed, as in ESPnet
        assert set(given) <= set(known), module


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_something_of_every_option(name):
    module = importlib.import_module(f"espnet2_distilmos.bin.{COMMANDS[name][0]}")
    parser = module.get_parser()
    assert issubclass(parser.formatter_class, takes.HelpFormatter)
    text = parser.format_help()
    for wrong in ("%%", "(default: None)", "(default: False)", "(default: )"):
        assert wrong not in text
    bare = [a.dest for a in parser._actions if not (a.help or "").strip()]
    assert not bare
    assert "(default" not in "".join(
        a.help for a in parser._actions if a.required and a.option_strings
    )


def test_defaults_are_shown_once_and_only_where_there_is_one():
    parser = argparse.ArgumentParser(formatter_class=takes.HelpFormatter)
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--nj", default=4, help="Jobs")
    parser.add_argument("--zero", default=0, help="Of 100 %%")
    parser.add_argument("--names", default=["a", "b%"], nargs="+", help="Sets")
    parser.add_argument("--tag", help="A name")
    parser.add_argument("--device", default="auto", help="The GPU (default: any)")
    parser.add_argument("--fast", action="store_true", help="A switch")
    split = [line.split(maxsplit=2) for line in parser.format_help().splitlines()]
    lines = {s[0]: s[2] for s in split if len(s) == 3 and s[0].startswith("--")}
    assert "Folder to write to\n" in parser.format_help()
    assert lines["--nj"] == "Jobs (default: 4)"
    assert lines["--zero"] == "Of 100 % (default: 0)"
    assert lines["--tag"] == "A name"
    assert lines["--device"] == "The GPU (default: any)"
    assert "A switch\n" in parser.format_help()
    assert "Sets (default: a b%)" in parser.format_help()


def test_an_option_without_a_word_is_an_error_of_ours():
    """What the first test refuses does happen."""
    parser = argparse.ArgumentParser(formatter_class=takes.HelpFormatter)
    parser.add_argument("--something")
    parser.format_help()
    assert [a.help for a in parser._actions if a.dest == "something"] == [None]
