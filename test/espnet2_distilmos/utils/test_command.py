"""How commands end, and options from a YAML file."""

import argparse
import subprocess
import sys

import pytest

from espnet2_distilmos.utils.command import parse_with_config, run
from espnet2_distilmos.utils.errors import UserError


def end(kind):
    """Run a command that raises `kind`, in a process of its own."""
    code = (
        "import sys\n"
        "from espnet2_distilmos.utils.command import run\n"
        "from espnet2_distilmos.utils.errors import UserError\n"
        "def main(cmd):\n"
        f"    {kind}\n"
        "sys.exit(run(main))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    "kind, code, stderr",
    [
        ("return", 0, ""),
        ("raise UserError('x.wav: 8000 Hz')", 1, "error: x.wav: 8000 Hz\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        (
            "from concurrent.futures.process import BrokenProcessPool as B; raise B()",
            1,
            "error: a process of this command was killed (out of memory?); run again "
            "with fewer (--nj)\n",
        ),
    ],
)
def test_ends_without_a_traceback(kind, code, stderr):
    done = end(kind)
    assert (done.returncode, done.stderr, done.stdout) == (code, stderr, "")


def test_a_fault_of_ours_keeps_its_traceback():
    done = end("raise ValueError('oh')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ValueError: oh" in done.stderr


def test_options_reach_the_command():
    seen = []
    assert run(seen.append, ["--x", "1"]) == 0
    assert seen == [["--x", "1"]]


def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nj", type=int, default=1)
    parser.add_argument("--name", default="a")
    return parser


def test_config_gives_defaults_that_options_override(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("nj: 4\nname: b\n")
    args = parse_with_config(parser(), ["--config", str(path), "--name", "c"])
    assert (args.nj, args.name) == (4, "c")
    args = parse_with_config(parser(), [])
    assert (args.nj, args.name, args.config) == (1, "a", None)


def test_mistakes_in_the_config(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("nj: 4\nnumber: 1\nnames: [b]\n")
    with pytest.raises(UserError, match="x.yaml: unknown option names, number"):
        parse_with_config(parser(), ["--config", str(path)])
    with pytest.raises(UserError, match="y.yaml: cannot be read"):
        parse_with_config(parser(), ["--config", str(tmp_path / "y.yaml")])
