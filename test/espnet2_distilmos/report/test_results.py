"""RESULTS.md: rows, order, notes, environment, refusals."""

import json

import pytest

from espnet2_distilmos.report.results import render_results, write_results
from espnet2_distilmos.report.rows import (
    experiment_rows,
    read_scores,
    read_set_notes,
    reference_rows,
)
from espnet2_distilmos.scoring.score import score
from espnet2_distilmos.utils.datadir import write_lines
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import write_json, write_yaml

CONSTANT_CELLS = ["utterance", "*constant*"]


def scores(n=30, n_sys=10, error=0.1):
    ref = {f"u{i:02d}": 1 + i % 7 / 2 for i in range(n)}
    hyp = {u: v + error * (-1) ** i * (i % 4) for i, (u, v) in enumerate(ref.items())}
    systems = {u: f"s{i % n_sys}" for i, u in enumerate(ref)}
    return score(ref, hyp, systems, n_bootstrap=20)


def experiment(root, name, tag="inference_valid.srcc.best", sets=("test",), **kwargs):
    for s in sets:
        write_json(root / name / tag / s / "scores.json", scores(**kwargs))
    return root / name


def tables(text):
    """Set -> rows of stripped cells, without header and rule."""
    result = {}
    for part in text.split("\n## ")[1:]:
        lines = [x for x in part.splitlines() if x.startswith("| ")]
        if lines:
            cells = [[c.strip() for c in x.strip("|").split(" | ")] for x in lines]
            result[part.splitlines()[0]] = cells[2:]
    return result


def test_one_table_a_set(tmp_path):
    a = experiment(tmp_path, "mos_a", sets=("test", "other"))
    b = experiment(tmp_path, "mos_b", sets=("test",), n_sys=5)
    reference = tmp_path / "rows"
    write_json(reference / "system_mean" / "test" / "scores.json", scores(error=1))
    (reference / "system_mean" / "NOTE.txt").write_text("Oracle: knows\nthe system.\n")
    (reference / "empty").mkdir()
    notes = tmp_path / "notes.yaml"
    notes.write_text("test: held-out families\nunused: x\n")
    output = tmp_path / "out" / "RESULTS.md"
    body = write_results(
        output,
        [a, b],
        reference,
        ["test", "other"],
        notes,
        "objective: PESQ, not human ratings",
        "RESULTS of mini_mos",
        date="2026-01-02",
    )
    text = output.read_text(encoding="utf-8")
    assert text.endswith(body)
    assert text.splitlines()[1] == "# RESULTS of mini_mos"
    assert "Labels: **objective: PESQ, not human ratings**" in text
    assert "## Environments\n\n- date: `2026-01-02`\n" in text
    assert "- inference: `inference_valid.srcc.best`" in text
    assert "(20 resamples, seed 0)" in text
    found = tables(text)
    assert list(found) == [
        "test (objective: PESQ, not human ratings)",
        "other (objective: PESQ, not human ratings)",
    ]
    first, second = found.values()
    assert [row[:3] for row in first] == [
        ["utterance", "*system_mean*", "30"],
        ["utterance", "mos_a", "30"],
        ["utterance", "mos_b", "30"],
        ["system", "*system_mean*", "10"],
        ["system", "mos_a", "10"],
        ["system", "mos_b", "5"],
        ["within systems", "*system_mean*", "10"],
        ["within systems", "mos_a", "10"],
        ["within systems", "mos_b", "5"],
    ]
    assert first[5][3:] == ["–"] * 4
    expected = scores()["utt"]["srcc"]
    low, high = expected["ci95"]
    assert first[1][5] == f"{expected['value']:.3f} [{low:.3f}, {high:.3f}]"
    assert len(second) == 3
    assert "\n\nheld-out families\n\n|" in text
    assert text.count("\n- *system_mean*: Oracle: knows the system.\n") == 1
    assert "Not scored on this set: *system_mean*, mos_b\n" in text


def test_tags_are_named_when_they_differ(tmp_path):
    exp = experiment(tmp_path, "mos_a", tag="inference_best")
    experiment(tmp_path, "mos_a", tag="inference_last")
    (exp / "plots").mkdir()
    head, body = render_results(experiment_rows([exp]))
    assert "- inference:" not in head
    assert [row[1] for row in tables(f"\n{body}")["test"]][:2] == [
        "mos_a/inference_best",
        "mos_a/inference_last",
    ]


def test_all_sets_by_default(tmp_path):
    rows = experiment_rows([experiment(tmp_path, "a", sets=("b", "a"))])
    assert list(tables("\n" + render_results(rows)[1])) == ["a", "b"]
    assert list(tables("\n" + render_results(rows, ["b", "b"])[1])) == ["b"]
    with pytest.raises(UserError, match="no scores of c; there are a, b"):
        render_results(rows, ["a", "c"])


def test_same_text_again(tmp_path):
    exp = experiment(tmp_path, "a")
    for name in ("1.md", "2.md"):
        write_results(tmp_path / name, [exp, exp], date="x")
    assert (tmp_path / "1.md").read_bytes() == (tmp_path / "2.md").read_bytes()
    assert (tmp_path / "1.md").read_text().count("| utterance ") == 1


def test_experiments_without_scores(tmp_path, caplog):
    done, training = experiment(tmp_path, "done"), tmp_path / "training"
    (training / "images").mkdir(parents=True)
    assert [r.name for r in experiment_rows([training, done])] == ["done"]
    assert "training: skipped, not scored yet" in caplog.text
    with pytest.raises(UserError, match="training; score first"):
        experiment_rows([training])
    with pytest.raises(UserError, match="nowhere: no such folder"):
        experiment_rows([tmp_path / "nowhere"])


def test_experiments_of_one_name(tmp_path):
    exps = [experiment(tmp_path / x, "mos") for x in "ab"]
    with pytest.raises(UserError, match="same name"):
        experiment_rows(exps)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"n_utt": 3}', '{"bootstrap": {"n": 0}, "utt": 1}']
)
def test_foreign_scores_are_refused(tmp_path, text):
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(UserError, match="scores.json: not the scores.json"):
        read_scores(path)


def test_scores_come_back(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, scores())
    assert read_scores(path) == json.loads(json.dumps(scores()))


def test_reference_without_note(tmp_path):
    write_json(tmp_path / "row" / "test" / "scores.json", scores())
    (row,) = reference_rows(tmp_path)
    assert (row.name, row.note, row.is_reference) == ("row", "", True)


def test_set_notes_must_be_text(tmp_path):
    path = tmp_path / "notes.yaml"
    path.write_text("test: [1, 2]\n")
    with pytest.raises(UserError, match="notes.yaml: test: "):
        read_set_notes(path)


def scored(folder, ref, hyp):
    """A folder of predictions, with its scores."""
    write_json(folder / "scores.json", score(ref, hyp, n_bootstrap=20))
    write_lines(folder / "utt2mos", hyp)


def test_a_model_that_does_not_beat_the_constant_is_told(tmp_path):
    """In the file and at the end of what is printed, for each model and set."""
    ref = {f"u{i:02d}": 2 + i % 5 / 4 for i in range(30)}
    for s in ("test", "test@-26dB", "other"):
        write_lines(tmp_path / "raw" / s / "utt2mos", ref)
    rows = tmp_path / "rows"
    for s in ("test", "other"):
        scored(rows / "constant" / s, ref, dict.fromkeys(ref, 2.5))
    (rows / "constant" / "NOTE.txt").write_text("The mean.\n")
    off, near = (
        {u: v + 1.3 for u, v in ref.items()},
        {u: v + 0.1 for u, v in ref.items()},
    )
    scored(tmp_path / "mos_a/inference/test", ref, off)
    scored(tmp_path / "mos_b/inference/test", ref, near)
    scored(tmp_path / "mos_b/inference/test@-26dB", ref, off)
    scored(tmp_path / "mos_b/inference/other", ref, near)
    exps = [tmp_path / "mos_a", tmp_path / "mos_b"]
    output = tmp_path / "RESULTS.md"
    body = write_results(output, exps, rows, ["test", "other"], labels=tmp_path / "raw")
    assert output.read_text().endswith(body)
    said = body[body.index("## Better than a constant?") :].splitlines()[4:]
    assert [line.split(":")[0] + ":" + line.split(":")[1] for line in said] == [
        "- test: mos_a is **not better than the constant**",
        "- test: mos_b is better than the constant",
        "- test@-26dB: mos_b is **not better than the constant**",
        "- other: mos_b is better than the constant",
    ]
    assert "(MSE 1.690 against 0.125, 30 clips)" in said[0]
    assert "| utterance | *constant* | 30 | 0.125 [" in " ".join(body.split())
    # Undefined correlations are shown as everywhere.
    (cells,) = [r for r in tables(f"\n{body}")["other"] if r[:2] == CONSTANT_CELLS]
    assert cells[4:] == ["–"] * 3
    # An experiment that was scored on earlier clips is named, and keeps none back.
    scored(tmp_path / "mos_a/inference/test", {"old": 1.0}, {"old": 2.0})
    body = write_results(output, exps, rows, ["test"], labels=tmp_path / "raw")
    assert "- test: mos_a is not compared with the constant: 30 IDs of " in body
    assert "- test: mos_b is better than the constant" in body
    # Without the labels, or without the row, nothing is said.
    assert "Better than" not in write_results(output, exps, rows)
    assert "Better than" not in write_results(output, exps, labels=tmp_path / "raw")


def test_an_oracle_that_is_not_shown_has_its_reason(tmp_path):
    exp = experiment(tmp_path, "mos_a")
    rows = tmp_path / "rows"
    for name in ("system_mean", "empty"):
        write_yaml(rows / name / "not_shown.yaml", {})
    write_yaml(rows / "system_mean/not_shown.yaml", {"test": "since it knows"})
    body = write_results(tmp_path / "RESULTS.md", [exp], rows)
    assert "\nNot shown on this set: *system_mean*, since it knows\n" in body
    assert "Not scored" not in body and "empty" not in body


def test_sets_of_other_corpora_and_levelled_ones(tmp_path):
    """Marked, in one table with the others, variants beside the set itself."""
    sets = ("test", "somos/test", "somos/test@-26dB")
    exp = experiment(tmp_path, "mos_a", sets=sets)
    (exp / "inference_valid.srcc.best/test/logdir").mkdir()
    write_json(tmp_path / "rows/oracle/somos/test/scores.json", scores(error=0.3))
    output = tmp_path / "RESULTS.md"
    write_results(
        output,
        [exp],
        tmp_path / "rows",
        ["test", "somos/test"],
        label_kind="ratings of bvcc",
        out_of_domain={"somos/test": "ratings of somos"},
    )
    text = output.read_text(encoding="utf-8")
    assert "- out of domain: " in text and "- @-26dB and the like" in text
    assert "not the active speech level of ITU-T P.56" in " ".join(text.split())
    found = tables(text)
    assert list(found) == [
        "In one table",
        "test (ratings of bvcc)",
        "somos/test (out of domain; ratings of somos)",
    ]
    one, test, somos = found.values()
    assert [row[:4] for row in one] == [
        ["test", "in", "mos_a", "30"],
        ["somos/test", "out", "*oracle*", "30"],
        ["somos/test", "out", "mos_a", "30"],
        ["somos/test", "out", "mos_a @-26dB", "30"],
    ]
    expected = scores()["utt"]["srcc"]
    low, high = expected["ci95"]
    assert one[2][5] == f"{expected['value']:.3f} [{low:.3f}, {high:.3f}]"
    assert [row[1] for row in somos[:3]] == ["*oracle*", "mos_a", "mos_a @-26dB"]
    assert somos[1][2:] == somos[2][2:]  # the same scores were written
    assert len(test) == 3 and "Not scored on this set: *oracle*" in text


def test_one_corpus_has_no_such_marks(tmp_path):
    head, body = render_results(experiment_rows([experiment(tmp_path, "a")]))
    assert "domain" not in head + body and "dB" not in head + body


@pytest.mark.parametrize("linked", ["tag", "set", "scores.json"])
def test_figures_behind_links_are_not_counted(tmp_path, caplog, linked):
    """They came with a downloaded model: nobody has measured them here."""
    exp = experiment(tmp_path / "exp", "mos_a")
    model = experiment(tmp_path, "cache", "inference_model", error=0.0)
    place, source = {
        "tag": ("inference_model", "inference_model"),
        "set": ("own/other", "inference_model/test"),
        "scores.json": ("own/other/scores.json", "inference_model/test/scores.json"),
    }[linked]
    (exp / place).parent.mkdir(parents=True, exist_ok=True)
    (exp / place).symlink_to(model / source)
    (row,) = experiment_rows([exp])
    assert row.tag == "inference_valid.srcc.best"
    assert f"not counted, {exp / place} is a link; score it here" in caplog.text
    # The experiment's own folder may be one.
    (tmp_path / "mos_link").symlink_to(exp)
    assert len(experiment_rows([tmp_path / "mos_link"])) == 1
