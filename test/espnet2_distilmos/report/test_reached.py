"""The three lines that stage 6 ends with."""

import pytest

from espnet2_distilmos.bin import score_mos, show_results
from espnet2_distilmos.report.reached import three_lines
from espnet2_distilmos.utils.errors import UserError


def scored(folder, values):
    """A folder with the scores of four clips, of which `values` are predicted."""
    folder.mkdir(parents=True)
    for name, numbers in (("ref", (1, 2, 3, 4)), ("utt2mos", values)):
        lines = (f"u{i} {v}\n" for i, v in enumerate(numbers))
        (folder / name).write_text("".join(lines))
    score_mos.main(
        ["--ref_utt2mos", f"{folder}/ref", "--hyp_utt2mos", f"{folder}/utt2mos"]
        + ["--output", f"{folder}/scores.json"]
    )


@pytest.fixture
def exp(tmp_path):
    scored(tmp_path / "mos_a/inference_x/test", (1, 2, 4, 3))
    scored(tmp_path / "mos_a/inference_x/somos/test", (2, 2, 2, 2))
    scored(tmp_path / "rows/system_mean/test", (1, 2, 3, 4))
    scored(tmp_path / "rows/trees/test", (4, 3, 2, 1))
    return tmp_path


def test_what_was_reached_against_what_and_where_to_look(exp):
    found = three_lines(
        exp / "mos_a/inference_x", ["test", "somos/test"], exp / "rows", "RESULTS.md"
    )
    assert found[0].endswith(
        "test: SRCC 0.800, MSE 0.500; somos/test: SRCC –, MSE 1.500"
    )
    assert found[1] == (
        "Reference rows: system_mean (test: SRCC 1.000, MSE 0.000), "
        "trees (test: SRCC -1.000, MSE 5.000)"
    )
    for part in ("RESULTS.md", "scatter.png", "mos_a/plots", "doc/comparing.md"):
        assert part in found[2]


def test_curves_of_a_cross_validation_are_those_of_its_folds(exp):
    (exp / "fold1/mos_a").mkdir(parents=True)
    found = three_lines(exp / "mos_a/inference_x", ["test"], None, "RESULTS.md")
    assert f"{exp}/fold*/mos_a/plots" in found[2]


def test_without_reference_rows_it_says_so(exp):
    found = three_lines(exp / "mos_a/inference_x", None, None, "RESULTS.md")
    assert found[1] == "Reference rows: none were scored"
    assert "somos/test: SRCC –" in found[0]
    with pytest.raises(UserError, match="other/scores.json"):
        three_lines(exp / "mos_a/inference_x", ["other"], None, "RESULTS.md")


def test_the_command_ends_with_them(exp, capsys):
    capsys.readouterr()
    show_results.main(
        ["--exp", f"{exp}/mos_a", "--sets", "test", "--output", f"{exp}/RESULTS.md"]
        + ["--reached", f"{exp}/mos_a/inference_x", "--reference", f"{exp}/rows"]
    )
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split(":")[0] for line in lines] == [
        "Reached, by utterance",
        "Reference rows",
        "Where to look next",
    ]
    assert "Reached" not in (exp / "RESULTS.md").read_text()
