"""Files that are no model of ours: refused in one line, before anything loads them."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from hostile_graphs import (
    RECORD,
    custom,
    function,
    hidden_graph,
    in_a_constant,
    loop,
    make,
    outside,
    sparse,
    unmarked,
)
from onnx import TensorProto, helper

from espnet2_distilmos.bin.main import cli
from espnet2_distilmos.inference.engine import DistilMOSInference
from espnet2_distilmos.packs import onnx_scan
from espnet2_distilmos.packs.onnx_record import read_record
from espnet2_distilmos.packs.onnx_scan import scan_onnx
from espnet2_distilmos.utils.errors import UserError

HOSTILE = {
    "a weight elsewhere": (lambda: make(weights=[outside()]), "from other files"),
    "unmarked": (lambda: make(weights=[unmarked()]), "from other files"),
    "a constant elsewhere": (lambda: make(in_a_constant()), "from other files"),
    "a loop": (lambda: make(loop()), "operator 'Loop'"),
    "a graph inside": (lambda: make(hidden_graph()), "graphs inside"),
    "functions": (lambda: make(functions=[function()]), "functions or training"),
    "custom operators": (lambda: make(custom()), "custom operators ('evil')"),
    "their opset": (
        lambda: make(
            opsets=[helper.make_opsetid("", 17), helper.make_opsetid("com.evil", 1)]
        ),
        "custom operators ('com.evil')",
    ),
    "random numbers": (
        lambda: make([helper.make_node("RandomNormal", [], ["mos"], shape=[9])]),
        "operator 'RandomNormal'",
    ),
    "sparse weights": (sparse, "sparse weights"),
}
OTHERS = {
    "of something else": (lambda: make(record=""), "its record is no JSON"),
    "nested": (lambda: make(record="[" * 100000), "its record is no JSON"),
    "a list": (lambda: make(record="[1]"), "a mapping"),
    "a new format": (
        lambda: make(record=RECORD.to_text().replace('"format": 1', '"format": 2')),
        "another version",
    ),
    "a negative frame": (
        lambda: make(record=RECORD.to_text().replace("0.02", "-0.02")),
        "frame_shift must be a number",
    ),
    "a rate": (
        lambda: make(record=RECORD.to_text().replace("16000", "8000")),
        "sampling_rate: 8000",
    ),
    "labels": (
        lambda: make(record=RECORD.to_text().replace('"labels": []', '"labels": [3]')),
        "labels",
    ),
    "figures": (
        lambda: make(
            record=RECORD.to_text().replace('"measured": {}', '"measured": {"x": 1}')
        ),
        "x: a mapping",
    ),
    "another input": (
        lambda: make(
            [
                helper.make_node("Identity", ["wav"], ["frame_mos"]),
                helper.make_node("ReduceMean", ["wav"], ["mos"], keepdims=0),
            ],
            ("wav", 1),
        ),
        "not from waveform to score",
    ),
    "no such input": (
        lambda: make([helper.make_node("Identity", ["nothing"], ["mos"])]),
        "cannot load it",
    ),
    "a size that is not there": (
        lambda: make(
            [helper.make_node("Add", ["speech", "w"], ["mos"])],
            weights=[
                TensorProto(name="w", dims=[1 << 40], data_type=1, raw_data=b"\0" * 16)
            ],
        ),
        "cannot load it",
    ),
}


@pytest.fixture
def refused(tmp_path, capsys, tools):
    """Function: whether a file is refused by both commands, in one line each."""

    def check(content, words):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        wav = tools.wav(tmp_path / "a.wav", 0.5)
        assert cli(["score", "--model", str(path), str(wav)]) == 1
        told = capsys.readouterr()
        (line,) = (x for x in told.err.splitlines() if " INFO: " not in x)
        assert line.startswith(f"error: {path}: ") and words in line, line
        assert told.out == ""

    return check


def test_the_model_that_the_others_are_made_of_scores(tmp_path):
    onnx.save(make(), tmp_path / "model.onnx")
    predictor = DistilMOSInference.from_pretrained(tmp_path / "model.onnx")
    result = predictor(np.full(800, 0.25, np.float32))
    assert result["mos"] == pytest.approx(0.25) and len(result["frame_mos"]) == 800


@pytest.mark.parametrize("case", [*HOSTILE, *OTHERS])
def test_bad_models(refused, case):
    made, words = {**HOSTILE, **OTHERS}[case]
    refused(made().SerializeToString(), words)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_models_are_refused_before_they_are_loaded(case, tmp_path):
    onnx.save(HOSTILE[case][0](), tmp_path / "model.onnx")
    with pytest.raises(UserError, match="refused, the graph"):
        scan_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4 a zip",
        b"\x80\4\x95 a pickle",
        make().SerializeToString()[:-20],
        make().SerializeToString()[7:],
        # A graph whose length is negative, or beyond the end.
        b"\x3a" + b"\xff" * 9 + b"\x01",
        b"\x3a\xff\xff\xff\xff\x07",
        b"\x38\x01",  # a number where the graph should be
        make().SerializeToString() * 2,  # would be merged
    ],
    ids=range(9),
)
def test_files_that_are_none(refused, content):
    refused(content, "not an ONNX model, damaged or cut off")


def test_a_file_without_our_record(refused):
    made = make()
    made.ClearField("metadata_props")
    refused(made.SerializeToString(), "an ONNX model of something else")


def test_its_size_is_bounded(tmp_path, monkeypatch):
    onnx.save(make(), tmp_path / "model.onnx")
    monkeypatch.setattr(onnx_scan, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="a model in one file has at most"):
        read_record(tmp_path / "model.onnx")
    huge = tmp_path / "huge.onnx"
    monkeypatch.undo()
    with open(huge, "wb") as f:
        f.truncate(1 << 32)
    with pytest.raises(UserError, match="4.3 GB; a model in one file has at most"):
        read_record(huge)


def test_no_bit_of_a_file_does_harm(tmp_path):
    """Every byte changed, one at a time: a record, or one line."""
    content = bytearray(make().SerializeToString())
    path = tmp_path / "model.onnx"
    refused = 0
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        try:
            read_record(path)
        except UserError as e:
            assert str(e).startswith(str(path)) and "\n" not in str(e)
            refused += 1
    assert refused > len(content) / 3


BOUNDED = """
import sys
import numpy as np
from espnet2_distilmos.packs import onnx_session

onnx_session._MOST_MEMORY = 64 << 20
session = onnx_session.OnnxSession(sys.argv[1])
try:
    session.run(np.zeros(800, np.float32))
except onnx_session.UserError as e:
    print(e)
"""


def test_the_memory_of_a_graph_is_bounded(tmp_path):
    """Here to 64 MB, of which a line of a graph asks 800."""
    size = onnx.numpy_helper.from_array(np.array([2 * 10**8], np.int64), "size")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["mos"], keepdims=0),
        helper.make_node("Identity", ["speech"], ["frame_mos"]),
    ]
    onnx.save(make(nodes, weights=[size]), tmp_path / "model.onnx")
    command = [sys.executable, "-c", BOUNDED, tmp_path / "model.onnx"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the graph fails on a clip of 800 samples" in done.stdout


def test_a_graph_that_fails_is_one_line(tmp_path, tools, capsys):
    shape = onnx.numpy_helper.from_array(np.array([7, 7], np.int64), "shape")
    nodes = [
        helper.make_node("Reshape", ["speech", "shape"], ["x"]),
        helper.make_node("ReduceMean", ["x"], ["mos"], keepdims=0),
        helper.make_node("Identity", ["speech"], ["frame_mos"]),
    ]
    onnx.save(make(nodes, weights=[shape]), tmp_path / "model.onnx")
    wav = tools.wav(tmp_path / "a.wav", 0.5)
    assert cli(["score", "--model", str(tmp_path / "model.onnx"), str(wav)]) == 1
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("error"))
    assert "the graph fails on a clip of 8000 samples" in line
