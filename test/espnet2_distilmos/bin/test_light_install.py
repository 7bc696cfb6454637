"""The scorer without ESPnet, or even torch: packages that are not its own are hidden.

`pip install .` brings what `dependencies` of pyproject.toml names, `pip install
'.[torch]'` that extra too, and what these need in turn. All else that is installed here
cannot be imported in the processes of this file.
"""

import csv
import importlib.metadata
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from espnet2_distilmos.bin.main import COMMANDS, NEEDS
from espnet2_distilmos.utils.extras import PACKAGES
from espnet2_distilmos.utils.install import install_line

REPO = Path(__file__).parents[3]

HIDE = """
import json, sys

hidden = set(json.loads(sys.argv.pop(1)))

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
"""
CLI = "from espnet2_distilmos.bin.main import cli; sys.exit(cli())"
# Every command's help, in one process: NAME, exit code, lines on stderr.
ALL_HELP = """
import contextlib, io
from espnet2_distilmos.bin.main import COMMANDS, cli

for name in COMMANDS:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli([name, "--help"])
        except SystemExit as e:
            code = e.code
    print(json.dumps([name, code, err.getvalue()]))
"""


def distributions_of_the_scorer(*extras):
    """Names of all that `pip install .` puts in, or `pip install '.[EXTRA]'`."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found, todo = set(), [Requirement(line) for line in lines]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        try:
            more = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for line in map(Requirement, more):
            extras = requirement.extras or {""}
            if line.marker is None or any(
                line.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(line)
    return found


def modules_besides(scorer):
    """Modules of all other distributions."""
    return [
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & scorer
        and module != "espnet2_distilmos"
    ]


@pytest.fixture(scope="module")
def hidden():
    """Modules that the scorer with torch does not bring."""
    modules = modules_besides(distributions_of_the_scorer("torch"))
    # The scorer has none of these; and the test would say nothing without them.
    assert {"espnet2", "sklearn", "kaldiio", "pesq", "joblib", "pytest"} <= set(modules)
    assert not {"torch", "s3prl", "soundfile", "matplotlib"} & set(modules)
    return json.dumps(modules)


@pytest.fixture(scope="module")
def hidden_with_torch():
    """Modules that the scorer without torch does not bring."""
    modules = modules_besides(distributions_of_the_scorer())
    unwanted = {"torch", "s3prl", "transformers", "matplotlib", "scipy", "av", "onnx"}
    assert unwanted <= set(modules)
    assert not {"onnxruntime", "numpy", "soundfile", "soxr", "tqdm"} & set(modules)
    return json.dumps(modules)


def runner(hidden):
    def run(*args, code=CLI):
        return subprocess.run(
            [sys.executable, "-c", HIDE + code, hidden, *map(str, args)],
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="module")
def light(hidden):
    """Function: run `distilmos ARGS` (or other code) as `[torch]` is installed."""
    return runner(hidden)


@pytest.fixture(scope="module")
def lightest(hidden_with_torch):
    """Function: the same without torch."""
    return runner(hidden_with_torch)


def lacking(hidden, name):
    return set(NEEDS.get(name, ())) & {*json.loads(hidden), "versa"}


def test_help_lists_what_this_install_cannot_do_apart(light, hidden):
    done = light("--help")
    assert done.returncode == 0, done.stderr
    can, cannot = done.stdout.split("\nnot in this install, for want of packages:\n")
    for name in COMMANDS:
        place, other = (cannot, can) if lacking(hidden, name) else (can, cannot)
        assert f"\n  {name} " in place and f"\n  {name} " not in other, name
    for name in ("score", "info", "benchmark", "evaluate", "compare-tts", "score-mos"):
        assert f"\n  {name} " in can
    line = 'pip install "espnet2-distilmos[train] @ git+REPOSITORY":\n  train  '
    assert line in cannot


def test_help_of_every_command(light, hidden):
    done = light(code=ALL_HELP)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, _, _ in results] == list(COMMANDS)
    failed = {name: err for name, code, err in results if code != 0}
    # Its options are ESPnet's.
    assert set(failed) == {"train"}
    assert failed["train"].startswith("error: needs espnet, ")
    assert failed["train"].count("\n") == 1


@pytest.fixture(scope="module")
def clip(tmp_path_factory, tools):
    import soundfile

    path = tmp_path_factory.mktemp("light") / "clip.wav"
    soundfile.write(path, tools.speech(0.5, 16000), 16000)
    return path


def test_the_scorer_scores_the_same(light, tiny_model, clip, engine):
    done = light("score", "--model", tiny_model, "--device", "cpu", clip)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    (expected,) = engine.score_files([clip])
    assert float(row["mos"]) == pytest.approx(expected["mos"], abs=1e-4)
    done = light("info", "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert "wavlm_local" in done.stdout


def options_for(name, tmp_path, tiny_model, clip):
    """Options with which a command gets as far as its packages."""
    wav_scp = tmp_path / "wav.scp"
    wav_scp.write_text(f"clip {clip}\n")
    config = tmp_path / "pretrain.yaml"
    return {
        "train": [],
        "versa": ["--pred", wav_scp],
        "inference": [
            *("--output_dir", tmp_path / "out"),
            *("--data_path_and_name_and_type", f"{wav_scp},speech,sound"),
            *("--model_file", tiny_model / "model.pth"),
        ],
        "score-sets": [
            *("--train_dir", tmp_path, "--data_dirs", tmp_path),
            *("--rows_dir", tmp_path / "out"),
        ],
        "tokenize-layers": [
            *("--kmeans_dir", tmp_path, "--data_dirs", tmp_path),
            *("--upstream_config", config),
        ],
    }[name]


@pytest.mark.parametrize(
    "name, words",
    [
        ("train", "needs espnet, typeguard, kaldiio, tensorboard, which"),
        ("inference", "needs kaldiio, which"),
        ("score-sets", "needs threadpoolctl, scikit-learn, which"),
        ("tokenize-layers", "needs kaldiio, which"),
        ("versa", "VERSA is not installed"),
    ],
)
def test_what_it_lacks_is_one_line(light, name, words, tmp_path, tiny_model, clip):
    done = light(name, *options_for(name, tmp_path, tiny_model, clip))
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"error: {words}"), done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert name == "versa" or "espnet2-distilmos[train] @ " in last
    assert not (tmp_path / "out").exists() and not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", NEEDS)
def test_needs_are_of_an_extra(name):
    assert name in COMMANDS
    assert set(NEEDS[name]) <= {*PACKAGES, "versa"}


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
