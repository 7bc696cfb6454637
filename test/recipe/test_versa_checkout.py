"""into_versa.py on a made-up checkout of VERSA."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from espnet_tree import make_fbank_model, state
from versa_tree import make_versa

REPO = Path(__file__).parents[2]
INTO = REPO / "egs2/TEMPLATE/tts1/into_versa.py"
ADDED = {
    "versa/utterance_metrics/distilmos.py",
    "egs/separate_metrics/distilmos.yaml",
    "test/test_metrics/test_distilmos.py",
}
EDITED = {"versa/__init__.py", "docs/supported_metrics.md"}


def into(*arguments):
    return subprocess.run(
        [sys.executable, INTO, *map(str, arguments)], capture_output=True, text=True
    )


def content(root):
    """Of every file, without times: an edited file that is put back has a new one."""
    return {
        name: (mode, data)
        for name, (mode, _, data) in state(root).items()
        if "__pycache__" not in name
    }


@pytest.fixture
def versa(tmp_path):
    return make_versa(tmp_path / "versa")


def run(versa, *command, path=(REPO,)):
    """Run Python where VERSA and this repository can be imported."""
    folders = os.pathsep.join(map(str, (versa, *path)))
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=versa,
        env={**os.environ, "PYTHONPATH": folders, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def test_versas_own_scorer_knows_the_metric_until_it_is_taken_away(versa, tmp_path):
    model = make_fbank_model(tmp_path / "model")
    rng = np.random.default_rng(0)
    clips = {}
    for key in "ab":
        clips[key] = tmp_path / f"{key}.wav"
        soundfile.write(clips[key], 0.1 * rng.standard_normal(9000), 24000)
    pred, config = tmp_path / "wav.scp", tmp_path / "config.yaml"
    pred.write_text("".join(f"{key} {path}\n" for key, path in clips.items()))
    config.write_text(f"- name: length\n- name: distilmos\n  model_tag: {model}\n")
    command = (
        *("-m", "versa.bin.scorer", "--io", "soundfile", "--pred", pred),
        *("--score_config", config, "--output_file", tmp_path / "result.txt"),
    )
    before = content(versa)

    done = into(versa)
    assert done.returncode == 0, done.stderr
    after = content(versa)
    assert set(after) - set(before) == ADDED
    assert {name for name in before if after[name] != before[name]} == EDITED
    table = (versa / "docs/supported_metrics.md").read_text()
    assert "\n| 3 |   | DistilMOS " in table.partition("### Dependent")[0]
    done = run(versa, *command)
    assert done.returncode == 0, done.stderr
    scores = [
        json.loads(line) for line in (tmp_path / "result.txt").read_text().splitlines()
    ]
    from espnet2_distilmos.inference.engine import DistilMOSInference

    engine = DistilMOSInference(model / "config.yaml", model / "model.pth")
    expected = [result["mos"] for result in engine.score_files(list(clips.values()))]
    assert [score["key"] for score in scores] == ["a", "b"]
    assert [score["distilmos"] for score in scores] == pytest.approx(expected, abs=1e-5)
    assert [score["length"] for score in scores] == [9000, 9000]

    # Once more changes nothing, not even a time.
    times = state(versa)
    done = into(versa)
    assert done.returncode == 0 and "nothing to do" in done.stdout
    assert state(versa) == times

    for _ in range(2):
        done = into("--undo", versa)
        assert done.returncode == 0, done.stderr
        assert content(versa) == before
    assert "nothing to do" in done.stdout
    done = run(versa, *command)
    assert "Failed to load metric distilmos" in done.stderr


def test_its_own_test_passes_in_the_checkout(versa):
    assert into(versa).returncode == 0
    done = run(versa, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_without_our_package_versa_goes_on_and_says_what_is_missing(versa):
    assert into(versa).returncode == 0
    hide = "import sys; sys.modules['espnet2_distilmos'] = None; import versa; "
    done = run(versa, "-c", hide + "print(versa.register_length_metric.__name__)")
    assert done.stdout == "register_length_metric\n", done.stderr
    assert "install espnet2-distilmos" in done.stderr


def test_other_entries_and_line_ends_stay(versa):
    """A Windows checkout, and metrics of others put in before and after ours."""
    for name in EDITED:
        path = versa / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        path.chmod(0o640)
    before = content(versa)
    assert into(versa).returncode == 0
    init, table = versa / "versa/__init__.py", versa / "docs/supported_metrics.md"
    for path in (init, table):
        assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    other = b'\r\n_optional_metric_import("versa.other", ("Other",))\r\n'
    init.write_bytes(init.read_bytes() + other)
    row = b"| 4 |   | Other | other | other | - | - |\r\n"
    ours = next(x for x in table.read_bytes().splitlines(True) if b"DistilMOS" in x)
    table.write_bytes(table.read_bytes().replace(ours, ours + row))
    assert "nothing to do" in into(versa).stdout
    assert into("--undo", versa).returncode == 0
    assert init.read_bytes() == before["versa/__init__.py"][1] + other
    assert (
        table.read_bytes().replace(row, b"") == (before["docs/supported_metrics.md"][1])
    )


def test_what_was_cut_short_is_completed_or_undone(versa):
    before = content(versa)
    assert into(versa).returncode == 0
    whole = content(versa)
    for name in (*ADDED, *EDITED):
        path = versa / name
        if name in before:
            path.write_bytes(before[name][1])
        else:
            path.unlink()
        done = into(versa)
        assert done.returncode == 0 and done.stdout.splitlines()[0].endswith(name)
        assert content(versa) == whole
    (versa / "versa/utterance_metrics/distilmos.py").unlink()
    assert into("--undo", versa).returncode == 0
    assert content(versa) == before


def test_files_of_another_version_of_ours_are_renewed(versa):
    import hashlib

    assert into(versa).returncode == 0
    whole = content(versa)
    mark = "# Put here by into_versa.py of DistilMOS, which takes it away with --undo: "
    for name in ("versa/utterance_metrics/distilmos.py", "versa/__init__.py"):
        path = versa / name
        text = path.read_text()
        begin = max(text.find("# The metric of DistilMOS."), 0)
        end = text.index(mark)
        older = text[begin:end] + "# an older version\n"
        digest = hashlib.sha256(older.encode()).hexdigest()
        path.write_text(f"{text[:begin]}{older}{mark}{digest}\n")
    done = into(versa)
    assert done.returncode == 0 and done.stdout.count("distilmos.py") == 1
    assert content(versa) == whole


def change(name, old, new=""):
    """Function: replace a part of a file of the checkout."""

    def apply(versa):
        path = versa / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return apply


def theirs(versa):
    (versa / "versa/utterance_metrics/distilmos.py").write_text("mine\n")


def link(versa):
    folder = versa / "versa/utterance_metrics"
    folder.rename(versa.parent / "elsewhere")
    folder.symlink_to(versa.parent / "elsewhere")


def no_tests(versa):
    (versa / "test/test_metrics/test_length.py").unlink()
    (versa / "test/test_metrics").rmdir()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (theirs, "distilmos.py: is there already, and not by into_versa.py"),
        (link, "is a link or below one"),
        (no_tests, "no test/test_metrics"),
        (
            change("versa/__init__.py", "_optional_metric_import", "_load"),
            "has no _opt",
        ),
        (change("versa/__init__.py", ", install_hint=None"), "has no _optional_metric"),
        (change("versa/__init__.py", "import importlib", "import ("), "__init__.py: "),
        (change("versa/__init__.py", "length", "distilmos"), "that is not ours"),
        (
            change("versa/scorer_shared.py", "_create_populated_registry", "_x"),
            "collec",
        ),
        (change("docs/supported_metrics.md", "|", "/"), "has no table of independent"),
    ],
)
def test_a_checkout_that_is_not_understood_is_left_alone(versa, spoil, message):
    spoil(versa)
    before = content(versa)
    done = into(versa)
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert content(versa) == before


@pytest.mark.parametrize("name", [*sorted(ADDED), "versa/__init__.py"])
def test_what_was_changed_since_is_not_taken_away(versa, name):
    assert into(versa).returncode == 0
    path = versa / name
    path.write_text(path.read_text().replace("istilmos", "istilmos2"))
    before = content(versa)
    for arguments in (["--undo", versa], [versa]):
        done = into(*arguments)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert content(versa) == before


def test_mistakes_are_named(tmp_path):
    done = into(tmp_path / "none")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "not a checkout of VERSA" in done.stderr
    assert into().returncode == 2
