"""The command `score_mos`: files in, scores.json and a table out."""

import json
import os
import subprocess
import sys

import pytest

from espnet2_distilmos.bin.score_mos import get_parser, main
from espnet2_distilmos.scoring.score import score_files
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import sha256_file

MODULE = "espnet2_distilmos.bin.score_mos"


@pytest.fixture
def files(tmp_path):
    """Options of the command for 40 clips of 10 systems."""
    contents = {"ref_utt2mos": "", "hyp_utt2mos": "", "utt2sys": ""}
    for i in range(40):
        contents["ref_utt2mos"] += f"u{i:02d} {1 + i % 9 / 2}\n"
        contents["hyp_utt2mos"] += f"u{i:02d} {1 + i % 9 / 2 + (i * 7 % 5) / 5}\n"
        contents["utt2sys"] += f"u{i:02d} s{i % 10}\n"
    options = []
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
        options += [f"--{name}", str(tmp_path / name)]
    return options


def call(*args):
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", MODULE, *args], capture_output=True, text=True
    )


def test_command(files, tmp_path, capsys):
    output = tmp_path / "new" / "scores.json"
    main([*files, "--output", str(output), "--n_bootstrap", "50", "--seed", "3"])
    result = json.loads(output.read_text())
    request = result.pop("request")
    assert request == {
        **{n: sha256_file(tmp_path / n) for n in ("ref_utt2mos", "hyp_utt2mos")},
        "utt2sys": sha256_file(tmp_path / "utt2sys"),
        "n_bootstrap": 50,
        "seed": 3,
    }
    assert result == score_files(*files[1::2], n_bootstrap=50, seed=3)
    assert result["bootstrap"]["seed"] == 3
    table = capsys.readouterr().out
    assert "50 resamples, seed 3" in table
    assert f"{result['utt']['srcc']['value']:.3f} [" in table
    assert len(table.splitlines()) == 7


def test_scores_are_made_again_by_content_alone(files, tmp_path):
    """A clock that was ahead, another utt2sys of the same age, a lost table."""
    output, table = tmp_path / "scores.json", tmp_path / "scores.txt"

    def remade(*more):
        before = output.stat().st_ino if output.exists() else None
        main([*files, "--n_bootstrap", "5", "--output", str(output), *more])
        return output.stat().st_ino != before

    made = ("--table", str(table))
    assert remade(*made) and len(table.read_text().splitlines()) == 7
    assert not remade(*made)
    os.utime(tmp_path / "hyp_utt2mos")  # younger, the same
    assert not remade(*made)
    for name in ("utt2sys", "hyp_utt2mos", "ref_utt2mos"):
        lines = (tmp_path / name).read_text().splitlines()
        other = "s1" if name == "utt2sys" else "2.25"
        lines[0] = f"{lines[0].split()[0]} {other}"
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        os.utime(tmp_path / name, (1, 1))  # far older than the scores
        assert remade(*made) and not remade(*made), name
    assert remade(*made, "--seed", "4") and remade(*made)
    table.unlink()
    assert remade(*made) and table.exists()
    # As an earlier version left them: nothing says what they are of.
    scores = json.loads(output.read_text())
    del scores["request"]
    output.write_text(json.dumps(scores))
    assert remade(*made)
    assert remade()  # who wants it printed gets it
    assert call(*files, "--table", str(table)).returncode == 2


def test_systems_and_output_are_optional(files, capsys):
    main([*files[:4], "--n_bootstrap", "0"])
    assert "utterance" in capsys.readouterr().out


def test_same_bytes_in_another_process(files, tmp_path):
    """Neither hash seed nor threads may reach the figures."""
    outputs = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.json"
        done = subprocess.run(
            [sys.executable, "-m", MODULE, *files, "--output", str(path)],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed, "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        outputs.append(path.read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "name,change,message",
    [
        ("hyp_utt2mos", lambda t: t.replace("u07 ", "u07x "), "missing in .*: u07"),
        ("hyp_utt2mos", lambda t: t + "u99 3.0\n", "u99"),
        ("utt2sys", lambda t: t.replace("u39 s9\n", ""), "missing in .*utt2sys: u39"),
        ("ref_utt2mos", lambda t: "u00 1.0\n" + t, "duplicate ID u00"),
        ("ref_utt2mos", lambda t: t.replace("u03 2.5", "u03 good"), "u03.*'good'"),
        ("ref_utt2mos", lambda t: t.replace("u03 2.5", "u03 nan"), "u03.*finite"),
        ("ref_utt2mos", lambda t: t.replace("u03 2.5", "u03 1e9"), "within.*u03"),
        ("ref_utt2mos", lambda t: "", "empty"),
    ],
)
def test_mistakes(files, tmp_path, name, change, message):
    path = tmp_path / name
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=message):
        main([*files, "--output", str(tmp_path / "scores.json")])
    assert not (tmp_path / "scores.json").exists()


def test_mistakes_are_one_line_and_exit_1(files, tmp_path):
    (tmp_path / "hyp_utt2mos").write_text("u00 3.0\n")
    done = call(*files)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: 39 IDs of ")
    assert len(done.stderr.splitlines()) == 1
    done = call(*files[:2], "--hyp_utt2mos", str(tmp_path / "absent"))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_help():
    assert "--ref_utt2mos" in get_parser().format_help()
