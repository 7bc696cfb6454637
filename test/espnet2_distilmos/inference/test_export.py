"""Exported models score as PyTorch does, without it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from random_models import write_family_model

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.export import export_model
from espnet2_distilmos.packs.onnx_record import Difference, read_record
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError


@pytest.fixture(scope="module")
def exported(pesq_model, tmp_path_factory):
    """Files `float32.onnx`, `weights8.onnx` and `int8.onnx` of one model."""
    folder = tmp_path_factory.mktemp("onnx")
    for precision in ("float32", "weights8", "int8"):
        export_model(str(pesq_model), folder / f"{precision}.onnx", precision)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory, tools):
    """Folder with two clips, the second longer than a window and of another rate."""
    folder = tmp_path_factory.mktemp("clips") / "wav"
    tools.wav(folder / "a.wav", 1.5)
    tools.wav(folder / "b.wav", 26, 24000, seed=1)
    return folder


def test_int8_tells_how_far_it_is_off(exported, pesq_model, clips, tmp_path):
    made_up = read_record(exported / "int8.onnx").differences["int8, from float32"]
    assert 0 < made_up.mos < made_up.frame_mos < 0.1
    told = export_model(str(pesq_model), tmp_path / "m.onnx", "int8", [clips])
    given = told.differences["int8, from float32"]
    engines = [
        DistilMOSInference(None, exported / f"{p}.onnx", window_seconds=None)
        for p in ("int8", "float32")
    ]
    found = []
    for name in ("a.wav", "b.wav"):
        from espnet2_distilmos.inference.audio import AudioFile

        samples = AudioFile(clips / name).samples()[: 20 * 16000]
        scores = [engine(samples)["mos"] for engine in engines]
        found.append(abs(scores[0] - scores[1]))
    assert (given.clips, given.what) == (2, "given clips")
    assert given.mos == pytest.approx(max(found), abs=1e-6)
    assert given.mean_mos == pytest.approx(np.mean(found), abs=1e-6)
    assert str(given).startswith("scores differ by ")


def test_the_record_says_what_the_model_is(exported, pesq_model, tools, capsys):
    from espnet2_distilmos.utils.files import sha256_file

    record = read_record(exported / "float32.onnx")
    assert record.labels == tools.pesq_labels
    assert (record.frame_shift, record.sampling_rate) == (0.02, 16000)
    assert record.source == {
        name: sha256_file(pesq_model / name) for name in ("config.yaml", "model.pth")
    }
    assert cli(["info", "--model", str(exported / "int8.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "ONNX Runtime, int8, on the CPU" in shown
    assert "PESQ MOS-LQO (objective" in shown and "CC BY-SA 3.0" in shown
    assert f"SHA-256 {record.source['model.pth']}" in shown
    assert "int8, from float32" in shown
    assert cli(["info", "--model", str(pesq_model)]) == 0
    assert "\nengine" in (shown := capsys.readouterr().out) and "PyTorch" in shown


def test_a_calibration_to_another_scale_is_in_the_record(pesq_model, tmp_path):
    from espnet2_distilmos.packs.about import labels_of

    folder = tmp_path / "exp"
    shutil.copytree(pesq_model, folder)
    calibration = {"told": "to percent", "scale": [0, 100]}
    (folder / "model.yaml").write_text(yaml.safe_dump({"calibration": calibration}))
    export_model(str(folder / "model.pth"), tmp_path / "model.onnx")
    engines = [
        DistilMOSInference.from_pretrained(m)
        for m in (tmp_path / "model.onnx", folder / "model.pth")
    ]
    for engine in engines:
        files = folder / "config.yaml", engine.model_file
        assert engine.labels.scale == labels_of(files).scale == (0, 100)
        assert engine.calibration == "to percent"
    assert engines[0].labels == engines[1].labels


UNWANTED = "torch torchaudio transformers s3prl espnet espnet2 pandas matplotlib scipy"
# In a process of its own: score, tell what was imported, then from Python.
ALONE = f"""
import sys
from espnet2_distilmos.bin.main import cli

model, wavs, table = sys.argv[1:]
assert cli(["score", "--model", model, "--output", table, wavs]) == 0
assert cli(["info", "--model", model]) == 0
from espnet2_distilmos import DistilMOSInference

predictor = DistilMOSInference.from_pretrained(model)
print(next(predictor.score_files([wavs + "/a.wav"]))["mos"])
imported = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(imported & set({UNWANTED!r}.split())))
"""


@pytest.mark.parametrize("precision, most", [("float32", 1e-4), ("weights8", 0.05)])
def test_nothing_heavy_is_imported(
    exported, pesq_model, clips, tmp_path, precision, most
):
    table = tmp_path / "mos.csv"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, exported / f"{precision}.onnx", clips, table],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *_, mos, imported = done.stdout.splitlines()
    assert imported == "[]"
    by_torch = DistilMOSInference.from_pretrained(pesq_model)
    expected = list(by_torch.score_files(sorted(clips.iterdir())))
    assert float(mos) == pytest.approx(expected[0]["mos"], abs=most)
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    assert [float(row[1]) for row in rows] == pytest.approx(
        [result["mos"] for result in expected], abs=most
    )


def test_other_commands_take_it(exported, pesq_model, clips, tmp_path, make_set, noise):
    model = str(exported / "float32.onnx")
    sets = make_set(
        tmp_path / "data",
        {f"u{i}": noise(i, 8000) for i in range(4)},
        mos={f"u{i}": 1.0 + i for i in range(4)},
    )
    out = tmp_path / "benchmark"
    options = ["--output_dir", str(out), "--n_bootstrap", "10", "--device", "cpu"]
    models = [f"a={model}", f"b={pesq_model}"]
    assert cli(["benchmark", "--models", *models, "--sets", str(sets), *options]) == 0
    first, second = (read_floats(out / name / "data/utt2mos") for name in "ab")
    assert len(first) == 4 and first == pytest.approx(second, abs=1e-4)
    labels = json.loads((out / "benchmark.json").read_text())["labels"]["models"]
    assert labels["a"] and labels["a"] == labels["b"]
    where = ["--outdir", str(tmp_path / "tts")]
    assert cli(["evaluate", str(clips), "--model", model, *where]) == 0
    assert len((tmp_path / "tts/utt2pmos").read_text().splitlines()) == 2
    given = f"{sets / 'wav.scp'},speech,sound"
    options = ["--output_dir", str(tmp_path / "out"), "--model_file", model]
    assert (
        cli(["inference", "--data_path_and_name_and_type", given, *options, "--ngpu=0"])
        == 0
    )
    assert read_floats(tmp_path / "out/utt2mos") == pytest.approx(first, abs=1e-5)


def test_what_cannot_be_exported(tmp_path, tiny_model, exported, tools):
    with pytest.raises(UserError, match="must end with .onnx"):
        export_model(str(tiny_model), tmp_path / "model.zip")
    with pytest.raises(UserError, match="is exported already"):
        export_model(str(exported / "int8.onnx"), tmp_path / "again.onnx")
    other = write_family_model(tmp_path / "data2vec", "data2vec", "post", {})
    with pytest.raises(UserError, match="data2vec_local: models on this upstream") as e:
        export_model(str(other), tmp_path / "other.onnx")
    assert "Whisper, WavLM, HuBERT and wav2vec 2.0 can" in str(e.value)
    short = tools.wav(tmp_path / "short.wav", 0.01)
    with pytest.raises(UserError, match="short.wav: too short for one frame"):
        export_model(str(tiny_model), tmp_path / "model.onnx", "int8", [short])
    assert not list(tmp_path.glob("*.onnx"))
    missing = str(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="none.onnx: no such model file, folder or tag"):
        DistilMOSInference.from_pretrained(missing)
    with pytest.raises(UserError, match="none.onnx: cannot be read"):
        DistilMOSInference(model_file=missing)


def test_a_graph_that_scores_otherwise_is_not_written(
    tiny_model, tmp_path, monkeypatch
):
    from espnet2_distilmos.inference import export

    kept = export.score_by_torch

    def other(network, clip):
        score = kept(network, clip)
        return score._replace(mos=score.mos + 2e-4)

    monkeypatch.setattr(export, "score_by_torch", other)
    with pytest.raises(UserError, match="nothing written, the graph does not score"):
        export_model(str(tiny_model), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"device": "cuda"}, "on the CPU"),
        ({"corpus": "bvcc"}, "no corpus offsets"),
        ({"train_config": "config.yaml"}, "is whole without it"),
    ],
)
def test_what_an_exported_model_does_not_do(exported, options, message):
    with pytest.raises(UserError, match=message):
        DistilMOSInference(model_file=exported / "float32.onnx", **options)


def test_a_difference_in_words():
    told = str(Difference(3, "given clips", 0.0123, 0.004, 0.25))
    assert told == (
        "scores differ by 0.004 in the mean and 0.012 at most, frame scores by 0.25 "
        "(3 given clips)"
    )
