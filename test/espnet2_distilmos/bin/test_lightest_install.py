"""The scorer without torch."""

import csv
import io
import json

import pytest
from light_installs import (
    ALL_HELP,
    distributions_of_the_scorer,
    modules_besides,
    runner,
)

from espnet2_distilmos.utils.install import install_line


@pytest.fixture(scope="module")
def hidden_with_torch():
    """Modules that the scorer without torch does not bring."""
    modules = modules_besides(distributions_of_the_scorer())
    unwanted = {"torch", "s3prl", "transformers", "matplotlib", "scipy", "av", "onnx"}
    assert unwanted <= set(modules)
    assert not {"onnxruntime", "numpy", "soundfile", "soxr", "tqdm"} & set(modules)
    return json.dumps(modules)


@pytest.fixture(scope="module")
def lightest(hidden_with_torch):
    """Function: the same without torch."""
    return runner(hidden_with_torch)


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    from espnet2_distilmos.inference.export import export_model

    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_model(str(tiny_model), path)
    return path


def test_without_torch_it_scores_what_is_exported(lightest, exported, clip, engine):
    done = lightest("score", "--model", exported, clip)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    (expected,) = engine.score_files([clip])
    assert float(row["mos"]) == pytest.approx(expected["mos"], abs=1e-4)
    done = lightest("info", "--model", exported)
    assert done.returncode == 0 and "ONNX Runtime" in done.stdout, done.stderr
    out = exported.parent / "tts"
    done = lightest("evaluate", clip.parent, "--model", exported, "--outdir", out)
    assert done.returncode == 0, done.stderr


def test_without_torch_it_writes_a_page(lightest, exported, tools, tmp_path):
    for folder in "ab":
        for i in range(2):
            tools.wav(tmp_path / folder / f"{i}.wav", 0.5, seed=i)
    report = tmp_path / "report.html"
    folders = (tmp_path / "a", tmp_path / "b")
    done = lightest("score", *folders, "--model", exported, "--report", report)
    assert done.returncode == 0, done.stderr
    # The paired test is in it, which elsewhere stands beside scipy.
    assert '"pairs":[{"a":0,"b":1,"n":2,' in report.read_text()


@pytest.mark.parametrize(
    "name, options, extra",
    [
        ("score", ["--model", "MODEL", "CLIP"], "torch"),
        ("info", ["--model", "MODEL"], "torch"),
        ("score", ["--model", "ONNX", "CLIP", "--plot", "OUT"], "plot"),
        ("export", ["MODEL", "--output", "OUT.onnx"], "export"),
        ("score-mos", ["--ref_utt2mos", "MOS", "--hyp_utt2mos", "MOS"], "torch"),
    ],
)
def test_without_torch_what_it_lacks_is_one_line(
    lightest, name, options, extra, tmp_path, tiny_model, exported, clip
):
    (tmp_path / "mos").write_text("a 1\nb 2\nc 3\n")
    places = {
        **{"MODEL": tiny_model / "model.pth", "ONNX": exported, "CLIP": clip},
        **{"OUT": tmp_path / "out", "MOS": tmp_path / "mos"},
        "OUT.onnx": tmp_path / "out.onnx",
    }
    done = lightest(name, *(places.get(option, option) for option in options))
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: needs "), done.stderr
    assert install_line(extra) in last
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert not list(tmp_path.glob("out*"))


def test_help_without_torch(lightest):
    done = lightest("--help")
    assert done.returncode == 0, done.stderr
    can, cannot = done.stdout.split("\nnot in this install, for want of packages:\n")
    for name in ("score", "info", "evaluate", "select-tts", "compare-tts"):
        assert f"\n  {name} " in can
    for name in ("export", "pack-model", "score-mos", "train"):
        assert f"\n  {name} " in cannot
    done = lightest(code=ALL_HELP)
    assert done.returncode == 0, done.stderr
    failed = [json.loads(x)[0] for x in done.stdout.splitlines() if json.loads(x)[1]]
    assert failed == ["train"]


IN_PYTHON = """
from espnet2_distilmos import DistilMOSInference
from espnet2_distilmos.utils.errors import UserError

for make in (
    lambda: DistilMOSInference(model_file=sys.argv[1]),
    lambda: DistilMOSInference.from_pretrained(sys.argv[1]),
    lambda: DistilMOSInference.from_pretrained("authors"),
):
    try:
        make()
    except UserError as e:
        print(e)
"""


def test_without_torch_python_is_told_the_same(
    lightest, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("DISTILMOS_CACHE", str(tmp_path))
    done = lightest(tiny_model / "model.pth", code=IN_PYTHON)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("needs torch, ") and install_line("torch") in line
