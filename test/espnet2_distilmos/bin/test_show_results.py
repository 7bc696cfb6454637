"""The command `show_results`: scores in, RESULTS.md out."""

import subprocess
import sys

import pytest

from espnet2_distilmos.bin.show_results import get_parser, main
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.files import write_json
from espnet2_distilmos.utils.label_info import LabelInfo
from espnet2_distilmos.utils.labels import Labels

MODULE = "espnet2_distilmos.bin.show_results"


@pytest.fixture
def exp(tmp_path):
    values = {f"u{i}": float(i % 5) for i in range(12)}
    scores = score(values, values, n_bootstrap=5)
    for name in ("test", "test_b"):
        write_json(tmp_path / "mos_a" / "inference" / name / "scores.json", scores)
    return tmp_path / "mos_a"


def test_command(exp, tmp_path, capsys):
    output = tmp_path / "RESULTS.md"
    notes = tmp_path / "notes.yaml"
    notes.write_text("test: a note\n")
    main(
        ["--exp", str(exp), "--sets", "test_b", "test", "--date", "today"]
        + ["--set_notes", str(notes), "--label_kind", "objective: PESQ"]
        + ["--title", "My results", "--output", str(output)]
    )
    printed = capsys.readouterr().out
    text = output.read_text(encoding="utf-8")
    assert text.endswith(printed)
    assert printed.startswith("## test_b (objective: PESQ)\n")
    assert "\n## test (objective: PESQ)\n\na note\n" in printed
    assert "# My results\n" in text
    assert "- date: `today`\n" in text


def test_headings_say_what_stands_beside_the_sets(exp, tmp_path, capsys):
    labels = tmp_path / "raw"
    Labels((LabelInfo("mine", "human", "MOS"),)).write(labels / "test/labels.yaml")
    command = ["--exp", str(exp), "--labels", str(labels), "--date", "today"]
    command += ["--output", str(tmp_path / "RESULTS.md"), "--sets", "test", "more/test"]
    (exp / "inference/test_b").rename(exp / "inference/more_test")
    (exp / "inference/more").mkdir()
    (exp / "inference/more_test").rename(exp / "inference/more/test")
    main([*command, "--out_of_domain", "more/test"])
    printed = capsys.readouterr().out
    heading = Labels.beside(labels / "test").heading
    assert "human" in heading and f"\n## test ({heading})\n" in printed
    assert "\n## more/test (out of domain; labels of more)\n" in printed
    main([*command, "--out_of_domain", "more/test", "stars", "--label_kind", "x"])
    printed = capsys.readouterr().out
    assert "\n## test (x)\n" in printed
    assert "\n## more/test (out of domain; stars)\n" in printed
    with pytest.raises(SystemExit) as end:
        main([*command, "--out_of_domain", "more/test", "two", "words"])
    assert end.value.code == 2


def test_mistakes_are_one_line_and_exit_1(exp, tmp_path):
    output = tmp_path / "RESULTS.md"
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--exp", str(exp), "--sets", "absent"]
        + ["--output", str(output)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "error: no scores of absent; there are test, test_b\n"
    assert not output.exists()


def test_help():
    assert "--label_kind" in get_parser().format_help()
