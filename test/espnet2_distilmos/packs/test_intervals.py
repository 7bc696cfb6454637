"""Intervals of a model: made, stored, told and measured, in torch and ONNX Runtime."""

import csv
import io
import json
import shutil

import numpy as np
import onnx
import pytest
import yaml

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.inference.export import export_model
from espnet2_distilmos.packs.describe import describe_model
from espnet2_distilmos.packs.onnx_record import KEY, read_record
from espnet2_distilmos.packs.pack import pack_model
from espnet2_distilmos.utils.errors import UserError


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"u{i:03d} {v}\n" for i, v in enumerate(values)))
    return str(path)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """100 clips whose errors are 0.01 to 1.00; 20 systems; and 40 further clips."""
    top = tmp_path_factory.mktemp("lists")
    rng = np.random.default_rng(0)
    errors = rng.permutation(np.arange(1, 101)) / 100
    signs = rng.choice([-1, 1], 100)
    return {
        "ref": write(top / "rated/utt2mos", np.round(3 + errors * signs, 6)),
        "hyp": write(top / "hyp/utt2mos", np.full(100, 3.0)),
        "sys": write(top / "rated/utt2sys", [f"s{i % 20:02d}" for i in range(100)]),
        "test_ref": write(top / "test/utt2mos", [3.0] * 30 + [3.95] * 10),
        "test_hyp": write(top / "test_hyp/utt2mos", np.full(40, 3.0)),
        "test_sys": write(top / "test/utt2sys", ["a"] * 35 + ["b"] * 5),
    }


def made(lists, model, *more):
    options = ["--ref_utt2mos", lists["ref"], "--hyp_utt2mos", lists["hyp"]]
    return cli(["conformal", "--model_file", str(model), *options, *map(str, more)])


@pytest.fixture(scope="module")
def models(lists, pesq_model, tmp_path_factory):
    """The same model as a checkpoint and exported, both with intervals."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(pesq_model, folder / "exp")
    export_model(str(folder / "exp"), folder / "plain.onnx")
    assert made(lists, folder / "exp/model.pth") == 0
    assert made(lists, folder / "plain.onnx", "--output", folder / "m.onnx") == 0
    return {"torch": folder / "exp/model.pth", "onnx": folder / "m.onnx"}


KINDS = pytest.mark.parametrize("kind", ["torch", "onnx"])


@KINDS
def test_scores_have_their_ends(models, kind, tools, tmp_path, capsys):
    wav = tools.wav(tmp_path / "a.wav", 1.0)
    (tmp_path / "b.wav").write_text("no audio")
    command = ["score", str(wav), str(tmp_path / "b.wav"), "--model", str(models[kind])]
    assert cli([*command, "--interval"]) == 1  # one is no audio
    told = capsys.readouterr()
    first, second = csv.DictReader(io.StringIO(told.out))
    assert list(first)[:4] == ["file", "mos", "mos_low", "mos_high"]
    mos, low, high = (float(first[k]) for k in ("mos", "mos_low", "mos_high"))
    # ceil(101 x 0.9) = 91: the 91st of the errors 0.01, 0.02...
    assert (mos - low, high - mos) == pytest.approx((0.91, 0.91), abs=1e-5)
    assert second["mos_low"] == second["mos_high"] == second["mos"] == ""
    assert (
        "\nintervals: mos_low to mos_high, +-0.910, hold 90 % of the labels of clips "
        "like those of rated (100 clips)" in told.err
    )
    assert cli([*command, "--interval", "0.8", "--format", "jsonl"]) == 1
    row, other = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["mos_high"] - row["mos"] == pytest.approx(0.81, abs=1e-5)
    assert other["mos_low"] is None
    assert cli(command) == 1
    told = capsys.readouterr()
    assert "mos_low" not in told.out and "intervals" not in told.err


@KINDS
def test_in_python(models, kind, noise):
    clip = noise(0, 16000)
    plain = DistilMOSInference(model_file=models[kind])(clip)
    assert "mos_low" not in plain
    found = DistilMOSInference(model_file=models[kind], interval=0.9)(clip)
    assert found["mos"] == pytest.approx(plain["mos"], abs=1e-5)
    assert found["mos_low"] == pytest.approx(found["mos"] - 0.91, abs=1e-5)
    assert found["mos_high"] == pytest.approx(found["mos"] + 0.91, abs=1e-5)
    with pytest.raises(UserError, match="has intervals for 0.5 to 0.99, in steps of"):
        DistilMOSInference(model_file=models[kind], interval=0.999)
    with pytest.raises(UserError, match="interval 'x': a share such as 0.9 is needed"):
        DistilMOSInference(model_file=models[kind], interval="x")
    with pytest.raises(UserError, match="not for corpus bvcc|has no corpus offsets"):
        DistilMOSInference(model_file=models[kind], interval=0.9, corpus="bvcc")


@KINDS
def test_coverage_is_measured(models, lists, kind, capsys):
    command = ["coverage", "--model", str(models[kind])]
    command += ["--ref_utt2mos", lists["test_ref"], "--hyp_utt2mos", lists["test_hyp"]]
    assert cli(command) == 0
    assert capsys.readouterr().out == (
        "intervals of 90 %, 1.820 wide: 30 of 40 labels inside, 75.0 % [59.8, 85.8]\n"
    )
    more = ["--interval", "0.96", "--utt2sys", lists["test_sys"]]
    assert cli([*command, *more]) == 0
    assert (
        "40 of 40 labels inside, 100.0 % [91.2, 100.0]; mean over systems 100.0 %"
        in (capsys.readouterr().out)
    )


def test_info_and_the_forms_of_a_model_have_them(models, tmp_path, lists, caplog):
    checkpoint = models["torch"]
    told = describe_model(str(checkpoint))["intervals"]
    assert "+-0.910" in told
    archive = tmp_path / "m.zip"
    pack_model(checkpoint.parent / "config.yaml", checkpoint, archive)
    assert describe_model(str(archive))["intervals"] == told
    engine = DistilMOSInference.from_pretrained(str(archive), interval=0.5)
    assert engine.half_width == pytest.approx(0.51)
    export_model(str(checkpoint), tmp_path / "f.onnx")
    assert read_record(tmp_path / "f.onnx").intervals.meaning(0.9) == told
    export_model(str(checkpoint), tmp_path / "w.onnx", "weights8")
    # Its scores are others.
    assert read_record(tmp_path / "w.onnx").intervals is None
    assert "w.onnx: without the model's intervals" in caplog.text


def test_an_exported_model_is_the_same_but_for_its_record(models):
    before = onnx.load(models["onnx"].parent / "plain.onnx")
    after = onnx.load(models["onnx"])
    records = [
        json.loads(next(p.value for p in m.metadata_props if p.key == KEY))
        for m in (before, after)
    ]
    assert records[0].pop("interval") == {}
    assert records[1].pop("interval")["n_utt"] == 100
    assert records[0] == records[1]
    assert len(before.metadata_props) == len(after.metadata_props)
    assert before.graph == after.graph


def test_by_system(models, lists, tmp_path, capsys):
    output = tmp_path / "sys.onnx"
    more = ["--utt2sys", lists["sys"], "--data", "a panel", "--output", output]
    assert made(lists, models["onnx"], *more, "--out_of_fold") == 0
    told = capsys.readouterr().out
    assert "on a panel (100 clips of 20 systems); this model is none" in told
    assert "theory promises nothing" in told and "hold 90 %" not in told
    assert cli(["info", "--model", str(output)]) == 0
    (line,) = [
        x for x in capsys.readouterr().out.splitlines() if x.startswith("intervals")
    ]
    assert line.split()[1] == "mos_low" and "theory promises nothing" in line
    record = read_record(output).intervals
    # All systems have as many clips: a clip weighs 1/105, the 95th makes 0.9.
    assert record.half_width(0.9) == pytest.approx(0.95, abs=1e-5)
    assert record.n_systems == 20


@KINDS
def test_a_model_without_them_says_so(kind, pesq_model, tmp_path, tools, capsys):
    model = pesq_model / "model.pth"
    if kind == "onnx":
        model = tmp_path / "m.onnx"
        export_model(str(pesq_model), model)
    wav = tools.wav(tmp_path / "a.wav", 0.5)
    assert cli(["score", str(wav), "--model", str(model), "--interval"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"error: {model}: has no record of intervals; distilmos conf"
    )


def test_mistaken_options(lists, models, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli(["score", "--interval", "wavs/"])
    assert "what is to be scored stands before this option" in capsys.readouterr().err
    assert made(lists, models["onnx"]) == 1
    assert "--output is needed" in capsys.readouterr().err
    assert made(lists, models["torch"], "--output", tmp_path / "x.onnx") == 1
    assert "x.onnx: is for exported models (.onnx) alone" in capsys.readouterr().err
    assert made(lists, "nope.pth") == 1
    assert "error: nope.pth: no such file" in capsys.readouterr().err
    assert made(lists, models["onnx"], "--output", tmp_path / "x.txt") == 1
    assert "x.txt: a name that ends with .onnx" in capsys.readouterr().err
    assert made({**lists, "hyp": lists["ref"]}, models["torch"]) == 1
    assert "has the very values of" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli(["coverage", "--interval", "2", "--ref_utt2mos", "a", "--hyp_utt2mos", "b"])
    told = capsys.readouterr().err
    assert "a share from 0.5 to 0.99" in told and "scored" not in told
    assert made(lists, models["onnx"], "--output", models["onnx"]) == 1
    few = {
        **lists,
        "ref": write(tmp_path / "r", [1, 2]),
        "hyp": write(tmp_path / "h", [1, 3]),
    }
    assert made(few, models["torch"]) == 1
    assert "2 clips are too few for intervals of 90 %" in capsys.readouterr().err
    labels = {"corpus": "x", "kind": "human", "name": "MUSHRA", "scale": [0, 100]}
    other = tmp_path / "mushra"
    write(other / "utt2mos", range(100))
    (other / "labels.yaml").write_text(yaml.safe_dump({"labels": [labels]}))
    assert made({**lists, "ref": str(other / "utt2mos")}, models["torch"]) == 1
    assert "labels from 0 to 100, another scale" in capsys.readouterr().err
    (other / "labels.yaml").unlink()
    assert made({**lists, "ref": str(other / "utt2mos")}, models["torch"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "u000 has the label 0, and the model's scores lie on a scale of 1 to" in line


def test_the_default_model_is_named_by_its_name(lists, tmp_path, capsys):
    assert made(lists, "default") == 1
    assert "mos.onnx: --output is needed" in capsys.readouterr().err
    assert made(lists, "default", "--output", tmp_path / "m.onnx") == 0
    assert read_record(tmp_path / "m.onnx").intervals.n_utt == 100


def test_a_checkpoint_that_was_trained_again_has_none(
    lists, pesq_model, tmp_path, tools
):
    folder = tmp_path / "exp"
    shutil.copytree(pesq_model, folder)
    assert made(lists, folder / "model.pth") == 0
    shutil.copyfile(
        tools.model(tmp_path / "new", seed=3) / "model.pth", folder / "model.pth"
    )
    with pytest.raises(UserError, match="model.interval.yaml: made for another model"):
        DistilMOSInference(model_file=folder / "model.pth", interval=0.9)
    # Its scores are as good as before.
    assert DistilMOSInference(model_file=folder / "model.pth").half_width is None


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"data": "x", "n_utt": 3},
        {"data": "x", "n_utt": 3, "half_widths": {}},
        {"data": "x", "n_utt": 3, "half_widths": {"90": -1}},
        {"data": "x", "n_utt": 3, "half_widths": {"90": 2, "91": 1}},
        {"data": "x", "n_utt": 3, "half_widths": {"90": "wide"}},
        {"data": "x", "n_utt": 3, "half_widths": {"100": 1}},
        {"data": "x", "n_utt": 3, "half_widths": {90: 1}},
        {"data": "x", "n_utt": 3, "half_widths": {"90": float("inf")}},
    ],
)
def test_records_that_are_none(record, pesq_model, tmp_path):
    from espnet2_distilmos.utils.files import sha256_file

    folder = tmp_path / "exp"
    shutil.copytree(pesq_model, folder)
    content = {"interval": record, "model_sha256": sha256_file(folder / "model.pth")}
    (folder / "model.interval.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="model.interval.yaml: interval"):
        DistilMOSInference(model_file=folder / "model.pth", interval=0.9)
