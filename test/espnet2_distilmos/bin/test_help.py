"""--help of every command: a word for every option, defaults where there are any."""

import argparse
import importlib

import pytest

from espnet2_distilmos.bin.main import COMMANDS
from espnet2_distilmos.utils import option_types as takes


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
