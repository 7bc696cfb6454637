"""The model in the package: what every entry takes where none is named."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import espnet2_distilmos
from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs import embedded
from espnet2_distilmos.packs.locate import locate_model
from espnet2_distilmos.packs.onnx_record import WEIGHTS8, read_record
from espnet2_distilmos.utils.datadir import read_floats
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.labels import Labels

ROOT = Path(espnet2_distilmos.__file__).parents[1]
MODEL = ROOT / "espnet2_distilmos/embedded/mos.onnx"


@pytest.fixture
def wav(tmp_path, tools):
    return tools.wav(tmp_path / "a.wav", 1.5)


def test_it_is_in_the_package_and_small():
    assert MODEL.stat().st_size <= 20e6
    # What git does not know is in no clone, and what it ignores in no wheel.
    done = subprocess.run(
        ["git", "check-ignore", MODEL], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == ""


def test_it_says_what_it_is():
    record = read_record(MODEL)
    assert record.precision == WEIGHTS8
    found = record.differences["weights8, from float32"]
    assert found.clips >= 100 and found.mean_mos < 0.05 and found.mos < 0.15
    assert 0.1 < record.intervals.half_width(0.9) < 2
    labels = Labels.from_list(record.labels, MODEL)
    assert labels and labels.licences
    assert all(info.kind and info.name and info.corpus for info in labels.infos)


def test_its_card_has_figures(capsys):
    rows = [line for line in embedded.figures() if line.startswith("|")]
    assert len(rows) >= 3  # heading, rule, a set
    assert cli(["info"]) == 0
    shown = capsys.readouterr().out
    assert "the default model of espnet2-distilmos" in shown
    assert "\nlabels " in shown and "\nlicence " in shown and "weights8" in shown
    assert all(row in shown for row in rows)


@pytest.mark.parametrize("option", [[], ["--model", "default"]])
def test_it_scores_where_no_model_is_named(option, wav, tmp_path, capsys):
    table = tmp_path / "mos.csv"
    assert cli(["score", str(wav), "--output", str(table), *option]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    name = f"the default model of espnet2-distilmos {espnet2_distilmos.__version__}"
    what = Labels.from_list(read_record(MODEL).labels, MODEL).sentence
    assert first == f"model: {name}; {what}"
    (row,) = csv.DictReader(table.open())
    expected = DistilMOSInference(model_file=MODEL)
    (found,) = expected.score_files([wav])
    assert float(row["mos"]) == pytest.approx(found["mos"], abs=1e-5)


def test_every_entry_takes_it(tools, tmp_path):
    clip = tools.speech(1.0)
    expected = DistilMOSInference(model_file=MODEL)(clip)["mos"]
    by_hub = torch.hub.load(str(ROOT), "distilmos", source="local")
    for model in (
        DistilMOSInference(),
        DistilMOSInference.from_pretrained(),
        DistilMOSInference.from_pretrained("default"),
        by_hub,
    ):
        assert model(clip)["mos"] == pytest.approx(expected, abs=1e-5)
    tools.wav(tmp_path / "wav/a.wav", 1.0)
    out = tmp_path / "out"
    assert cli(["evaluate", str(tmp_path / "wav"), "--outdir", str(out)]) == 0
    # Samples of the file are rounded to 16 bits.
    found = read_floats(out / "utt2pmos")
    assert found == {"a": pytest.approx(expected, abs=2e-3)}
    told = (out / "pmos_provenance.yaml").read_text()
    assert "the default model of espnet2-distilmos" in told


def test_louder_noise_on_a_tone_scores_lower():
    """It is a model of quality, not merely a file that loads."""
    rng = np.random.default_rng(0)
    t = np.arange(3 * 16000) / 16000
    pitch = np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.8 * t)) / 16000
    voice = (pitch % 1 - 0.5) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    model = DistilMOSInference()
    noises = [level * rng.standard_normal(len(t)) for level in (0.001, 0.3)]
    clean, noisy = (model((0.2 * voice + n).astype(np.float32)) for n in noises)
    assert clean["mos"] > noisy["mos"]


def test_it_needs_neither_torch_nor_a_network(wav):
    code = (
        "import socket, sys; socket.socket.connect = None; "
        "from espnet2_distilmos.bin.main import cli; "
        "assert cli(['score', sys.argv[1]]) == 0; "
        "print(sorted({'torch', 'scipy', 'huggingface_hub'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, wav]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_install_without_it_says_so(monkeypatch, tmp_path, wav, capsys):
    monkeypatch.setattr(embedded, "FOLDER", tmp_path)
    with pytest.raises(UserError, match="mos.onnx: missing, the default model"):
        locate_model()
    assert cli(["score", str(wav)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "--model authors with a network" in line


def test_it_cannot_be_exported_again(tmp_path):
    from espnet2_distilmos.inference.export import export_model

    with pytest.raises(UserError, match="default: is exported already"):
        export_model("default", tmp_path / "model.onnx")
