"""The tables of the benchmarks: aims, and their places in doc/performance.md.

The benchmarks themselves are no tests: they take minutes and want a quiet machine.
"""

import csv
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import soundfile

REPO = Path(__file__).parents[1]


def load(name):
    path = REPO / f"test/benchmarks/{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report():
    return load("report")


@pytest.mark.parametrize(
    "name, columns",
    [
        ("voices_harmed", ["wav", "mos", "system"]),
        ("a_system_a_clip", ["wav", "mos", "system"]),
        ("lowpass_70", ["wav", "mos", "split"]),
        ("of_hundred", ["wav", "mos"]),
    ],
)
def test_small_corpora_are_those_that_they_say(tmp_path, monkeypatch, name, columns):
    """Made without any speech engine, so that they are the same everywhere."""
    small = load("small_corpora")
    monkeypatch.setattr(small.shutil, "which", lambda program: None)
    corpus = small.CORPORA[name]
    tables = [small.make_corpus(tmp_path / d, corpus) for d in "ab"]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    with open(tables[0], newline="") as f:
        rows = list(csv.DictReader(f))
    assert list(rows[0]) == columns and len(rows) == corpus.n_clips
    low, high = corpus.scale
    labels = [float(row["mos"]) for row in rows]
    assert low <= min(labels) and max(labels) <= high
    assert max(labels) - min(labels) > (high - low) / 4
    systems = {row.get("system") for row in rows}
    assert len(systems) == {"clip": 40, "system": 12, "": 1}[corpus.column]
    if corpus.split:
        splits = [row["split"] for row in rows]
        assert (splits.count("valid"), splits.count("test")) == (7, 7)
    x, rate = soundfile.read(tmp_path / "a" / rows[0]["wav"])
    assert rate == 16000 and len(x) >= 16000 and 0 < max(abs(x)) <= 1


def test_ten_small_corpora():
    corpora = load("small_corpora").CORPORA.values()
    assert len(corpora) == 10
    assert all(40 <= c.n_clips <= 100 for c in corpora)
    assert {bool(c.column) for c in corpora} == {True, False}


def both(x):
    return {"cpu": x, "wall": x}


@pytest.fixture
def results():
    curve = {"what": "stage 2", "x": [1, 2, 4], "cpu": [1.0, 2.0, 4.0], "slope": 1.0}
    return {
        "machine": {"cores": 2},
        "tokenization": {
            "layers": 12,
            "n_frames": 100,
            "hidden_size": 768,
            "disk_bytes": {"frames": 100 * 12 * 768 * 4, "tokens": 100 * 12 * 4},
            "by_layer_over_all": both(9.7),
            "by_layer_stopping_over_all": both(9.5),
            "took_seconds": 1.4,
        },
        "training_step": {
            "tokens_over_plain": both(1.051),
            "memory_tokens_over_plain": 1.01,
        },
        "trainer": {"espnet_over_bare": both(1.1)},
        "scoring": {"engine_over_upstream": both(0.99)},
        "peers": {
            "versions": {"a": "1.0"},
            "missing": {"b": "no module"},
            "clips_a_cpu_second": {"a": 2.0},
        },
        "engines": {
            "figures": {"float32": {"environment_mb": 140.0, "clips_a_cpu_s": 9.0}},
            "missing": {"b": "no module"},
        },
        "startup": {"seconds": {"distilmos --help": both(0.1)}},
        "growth": {"curves": {"hours": curve}},
    }


def test_aims_are_judged(report, results):
    rows = report.tables(results)["aims"].splitlines()[2:]
    met = [row.split("|")[-2].strip() for row in rows]
    assert met == ["yes", "NO", "NO", "yes", "yes", "yes"]
    # A part that was not run has no row.
    del results["scoring"]
    assert len(report.tables(results)["aims"].splitlines()) == len(met) + 1


def test_extrapolation(report, results):
    """4 bytes a value: 200,000 frames of 24 layers of 1024 channels are 19.7 GB."""
    text = report.tables(results)["extrapolation"]
    assert "| 4.00 bytes a value | 19.7 GB |" in text
    assert "| 4.00 bytes a token | 0.40 GB |" in text  # 23 h x 3600 x 50 x 24 x 4


def test_the_page_has_a_place_for_every_table(report, results, tmp_path):
    page = tmp_path / "performance.md"
    original = (REPO / "doc/performance.md").read_text()
    page.write_text(original)
    made = report.tables(results)
    report.write_into(page, made)
    text = page.read_text()
    assert all(table in text for table in made.values())
    # Again: the same, and nothing around the tables has changed.
    report.write_into(page, made)
    assert page.read_text() == text
    table = re.compile(r"(<!-- benchmark \w+ -->\n).*?(<!-- end -->)", re.DOTALL)
    assert table.sub(r"\1\2", text) == table.sub(r"\1\2", original)
    with pytest.raises(SystemExit, match="no place for the table other"):
        report.write_into(page, {"other": ""})


def test_plot(report, results, tmp_path):
    report.plot_growth(results["growth"]["curves"], tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0
