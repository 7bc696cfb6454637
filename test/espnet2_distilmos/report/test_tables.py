"""Tables: figures, dashes, alignment."""

from espnet2_distilmos.report.tables import (
    figure,
    level_cells,
    markdown_table,
    scores_table,
)
from espnet2_distilmos.scoring.score import score


def test_figure():
    assert figure({"value": 0.71249, "ci95": [0.65, 0.77]}) == "0.712 [0.650, 0.770]"
    assert figure({"value": -0.5, "ci95": None}) == "-0.500"
    assert figure({"value": None, "ci95": None}) == "–"


def test_markdown_table():
    assert markdown_table(["a", "long name"], [["x|y", "1"], ["", "–"]]) == (
        "| a    | long name |\n"
        "| ---- | --------- |\n"
        "| x\\|y | 1         |\n"
        "|      | –         |\n"
    )


def test_scores_table():
    values = {f"u{i}": float(i) for i in range(6)}
    text = scores_table(score(values, values, n_bootstrap=10))
    lines = text.splitlines()
    assert lines[0] == "95% bootstrap intervals (10 resamples, seed 0)"
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[2:]]
    assert cells[0] == ["level", "n", "MSE", "LCC", "SRCC", "KTAU"]
    assert cells[2][:3] == ["utterance", "6", "0.000 [0.000, 0.000]"]
    assert cells[3] == ["system"] + ["–"] * 5
    assert cells[4] == ["within systems"] + ["–"] * 5


def test_systems_without_correlation_are_counted_apart():
    ref = {f"u{i}": float(i % 4) for i in range(12)}
    systems = {u: f"s{i // 4}" for i, u in enumerate(ref)}
    hyp = {u: 3.0 if systems[u] == "s0" else v for u, v in ref.items()}
    assert level_cells(score(ref, hyp, systems, 0), "within_sys")[0] == "3 (2)"
    assert level_cells(score(ref, ref, systems, 0), "within_sys")[0] == "3"


def test_no_intervals():
    values = {"a": 1.0, "b": 2.0}
    assert scores_table(score(values, values, n_bootstrap=0)).startswith("no intervals")
