"""Nothing that comes from outside may run: no eval, no pickle, no shell in between."""

import ast
import importlib.util
import re
import subprocess
import sys
import warnings
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from hostile import IDS, PATHS, harmed

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.utils.datadir import DataDir, read_floats

REPO = Path(__file__).parents[3]
SHIPPED = sorted(
    path
    for top in ("espnet2_distilmos", "local", "egs2")
    for path in (REPO / top).rglob("*.py")
    if not path.is_symlink()
)
SCRIPTS = sorted(
    path
    for path in [*REPO.glob("*.sh"), *REPO.glob("local/*.sh"), *REPO.rglob("egs2/**/*")]
    if path.suffix == ".sh" and path.is_file() and not path.is_symlink()
)


def _named(call: ast.Call, name: str):
    for keyword in call.keywords:
        if keyword.arg == name:
            return ast.unparse(keyword.value)
    return None


def dangers(source: str) -> list:
    """Calls that could run what a file or a name holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
            found += [n for n in names if n in ("dill", "cloudpickle", "marshal")]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if (
            name in ("eval", "exec", "compile", "os.system", "os.popen", "__import__")
            or name.startswith(("os.spawn", "os.exec", "shelve.", "pickle.load"))
            or name in ("tempfile.mktemp", "joblib.load", "tarfile.open")
            or (
                name.startswith("yaml.")
                and name.endswith("load")
                and name != "yaml.safe_load"
            )
            or (name.endswith("np.load") and _named(node, "allow_pickle") != "False")
            or (name == "torch.load" and _named(node, "weights_only") != "True")
            or _named(node, "shell") not in (None, "False")
            or _named(node, "trust_remote_code") not in (None, "False")
        ):
            found.append(f"{name} in line {node.lineno}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "exec(x)",
        "os.system(x)",
        "yaml.load(f, Loader=yaml.FullLoader)",
        "yaml.unsafe_load(f)",
        "pickle.load(f)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
        "tempfile.mktemp()",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
    ],
)
def test_the_check_sees(source):
    assert dangers(source)


def test_no_shipped_python_runs_what_it_reads():
    found = {str(p.relative_to(REPO)): dangers(p.read_text("utf-8")) for p in SHIPPED}
    assert len(SHIPPED) > 150
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_shipped_script_evaluates_or_writes_to_guessable_places():
    assert len(SCRIPTS) > 15
    for path in SCRIPTS:
        code = [
            line
            for line in path.read_text("utf-8").splitlines()
            if not line.lstrip().startswith("#")
        ]
        text = "\n".join(code)
        assert not re.search(r"(^|[;&|( ])eval\s", text), path
        assert not re.search(r"\b(ba)?sh -c\b", text), path
        # Temporary files only through mktemp, which picks the name and the mode.
        assert "/tmp/" not in text and "$$." not in text, path


# What S3PRL evaluates: texts of a checkpoint's configuration. If a new version of it
# evaluates something else, this fails, and safe_load.py has to learn of it.
HARMLESS_NAMES = {"module_name", "x"}  # S3PRL's own texts; see _EVALUATED for x


def test_every_eval_of_s3prl_is_guarded():
    from espnet2_distilmos.model.upstream.config import _UNSAFE
    from espnet2_distilmos.model.upstream.safe_load import _EVALUATED

    folder = Path(importlib.util.find_spec("s3prl").origin).parent / "upstream"
    evaluated = set()
    for path in folder.rglob("*.py"):
        with warnings.catch_warnings():  # of its old string escapes
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "eval":
                evaluated.add((path.parent.name, ast.unparse(node.args[0])))
    texts = {text for _, text in evaluated}
    keys = {t.rpartition(".")[2] for t in texts if re.search(r"(cfg|config)\.", t)}
    assert "conv_feature_layers" in keys
    assert all(key.endswith(_EVALUATED) for key in keys), keys
    others = {
        (package, text)
        for package, text in evaluated
        if text not in HARMLESS_NAMES and not re.search(r"(cfg|config)\.", text)
    }
    # Of `model_config` and `hooks`, which extra_conf must not have.
    assert {"model_config", "hooks"} <= _UNSAFE
    assert others == {
        ("baseline", "f'torchaudio.compliance.kaldi.{feat_type}'"),
        ("upstream", "hook.module_path"),
    }


# --- names


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with clips, IDs and paths that a shell would run."""
    folder = tmp_path_factory.mktemp("hostile")
    wavs, mos, systems = {}, {}, {}
    for i, utt in enumerate(IDS):
        path = folder / f"{PATHS[i % len(PATHS)]}{i}.wav"
        x = 0.02 * (i + 1) * np.random.default_rng(i).standard_normal(6000)
        soundfile.write(path, x, 8000 if i % 2 else 16000)
        wavs[utt], mos[utt] = str(path), 1 + i / 5
        systems[utt] = IDS[i % 3]
    DataDir(wavs, mos, systems).save(folder / "data/x")
    return folder


def test_hostile_names_go_through_the_stages_unharmed(
    hostile, corpus, tiny_model, tmp_path, monkeypatch, capsys
):
    """In this process: formatting, layers, tokens, statistics, scores, reports."""
    monkeypatch.chdir(tmp_path)
    data, raw = hostile / "data/x", "dump/x"
    model = ["--model_file", tiny_model / "model.pth"]
    upstream = ["--upstream_config", corpus.upstream]
    for command in (
        ["format-audio", "--data_dirs", data, "--output_dir", "dump"],
        ["dump-layers", "--data_dir", raw, "--output_dir", "frames", *upstream],
        ["cluster-layers", "--frames_dir", "frames", "--output_dir", "kmeans"]
        + ["--n_clusters", "4"],
        ["tokenize-layers", "--kmeans_dir", "kmeans", "--data_dirs", raw, *upstream],
        ["collect-stats", "--data_dir", raw, "--output_dir", "stats"]
        + ["--tokens_scp", "kmeans/x/tokens.scp"],
        ["inference", "--output_dir", "scored", *model]
        + ["--data_path_and_name_and_type", f"{raw}/wav.scp,speech,sound"]
        + ["--key_file", f"{raw}/wav.scp"],
        ["inference", "--output_dir", "sets", "--model_file", tiny_model / "model.pth"]
        + ["--data_dirs", raw, "--shard_seconds", "0.5"],
        ["score-mos", "--ref_utt2mos", f"{raw}/utt2mos", "--output", "scores.json"]
        + ["--hyp_utt2mos", "scored/utt2mos", "--utt2sys", f"{raw}/utt2sys"],
        ["score", data / "wav.scp", "--model", tiny_model, "--output", "table.csv"]
        + ["--frame_mos", "frame_mos", "--device", "cpu"],
        ["evaluate", data / "wav.scp", "--outdir", "tts"]
        + ["--model", tiny_model / "model.pth"],
    ):
        assert cli([str(x) for x in command]) == 0, capsys.readouterr().err
    scores = read_floats("scored/utt2mos")
    assert set(scores) == set(IDS)
    assert set(read_floats(f"sets/{Path(raw).name}/utt2mos")) == set(IDS)
    assert dict(kaldiio.load_scp("kmeans/x/tokens.scp")).keys() == set(IDS)
    assert dict(kaldiio.load_scp("scored/frame_mos.scp")).keys() == set(IDS)
    assert len(list(Path("frame_mos").iterdir())) == len(IDS)
    for folder in (tmp_path, hostile):
        assert not harmed(folder)
    assert not (tmp_path.parent / "harm.csv").exists()


def test_hostile_words_are_arguments_to_the_job_runner(tmp_path):
    """What `${cmd}` starts gets them as they are."""
    runner = REPO / "egs2/TEMPLATE/distilmos1/utils/run_local.py"
    shown = "import sys; print(*sys.argv[1:], sep='\\n')"
    done = subprocess.run(
        [sys.executable, runner, "JOB=1:2", "log.JOB", sys.executable, "-c", shown]
        + [*IDS, *PATHS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for job in ("1", "2"):
        lines = (tmp_path / f"log.{job}").read_text("utf-8").splitlines()
        assert [x for x in lines if not x.startswith("# ")] == [*IDS, *PATHS]
    assert not harmed(tmp_path)
