"""Weights that are stored in fewer bits: the same numbers, in bounded memory."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from espnet2_distilmos.inference.quantize import store_in_8_bits
from espnet2_distilmos.packs import onnx_weights
from espnet2_distilmos.packs.onnx_scan import scan_onnx
from espnet2_distilmos.packs.onnx_session import OnnxSession
from espnet2_distilmos.packs.onnx_weights import with_float_weights
from espnet2_distilmos.utils.errors import UserError


def weight(name, *shape):
    rng = np.random.default_rng(len(name))
    values = rng.standard_normal(shape) * rng.uniform(0.01, 1, shape[-1])
    return numpy_helper.from_array(values.astype(np.float32), name)


def write(path, nodes, weights, outputs=("mos", "frame_mos")):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("speech", TensorProto.FLOAT, [None])],
        [
            helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, []),
            helper.make_tensor_value_info(outputs[1], TensorProto.FLOAT, [None]),
        ],
        initializer=weights,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


# Speech in frames of 32 samples; each kind of operator; positions; a matrix used twice.
NODES = [
    helper.make_node("Reshape", ["speech", "frames"], ["x"]),
    helper.make_node("MatMul", ["x", "matrix"], ["y"]),
    helper.make_node("Gemm", ["y", "turned"], ["z"], transB=1),
    helper.make_node("Identity", ["matrix"], ["again"]),
    helper.make_node("MatMul", ["z", "again"], ["u"]),
    helper.make_node("Add", ["u", "positions"], ["p"]),
    helper.make_node("Reshape", ["p", "channels"], ["c"]),
    helper.make_node("Conv", ["c", "kernels"], ["v"]),
    helper.make_node("Reshape", ["v", "flat"], ["frame_mos"]),
    helper.make_node("ReduceMean", ["frame_mos"], ["mos"], keepdims=0),
]
WEIGHTS = [
    weight("matrix", 32, 32),
    weight("turned", 32, 32),
    weight("positions", 600, 32),
    weight("kernels", 24, 32, 1),
    weight("few", 8, 32),
    numpy_helper.from_array(np.array([600, 32]), "frames"),
    numpy_helper.from_array(np.array([1, 32, 600]), "channels"),
    numpy_helper.from_array(np.array([-1]), "flat"),
]


def clip():
    rng = np.random.default_rng(0)
    return rng.standard_normal(600 * 32).astype(np.float32)


def test_what_is_stored_and_what_is_computed(tmp_path):
    plain = write(tmp_path / "plain.onnx", NODES, WEIGHTS)
    store_in_8_bits(plain, tmp_path / "small.onnx")
    scan_onnx(tmp_path / "small.onnx")
    stored = {
        w.name: numpy_helper.to_array(w)
        for w in onnx.load(tmp_path / "small.onnx").graph.initializer
    }
    kinds = {name: value.dtype.name for name, value in stored.items()}
    assert {name for name, kind in kinds.items() if kind == "int8"} == {
        f"{name}/int8" for name in ("matrix", "turned", "kernels")
    }
    assert kinds["positions/float16"] == "float16" and kinds["few"] == "float32"
    # A scale for each channel of what comes out.
    assert stored["matrix/scale"].shape == (1, 32)
    assert stored["turned/scale"].shape == (32, 1)
    assert stored["kernels/scale"].shape == (24, 1, 1)
    for w in WEIGHTS[:4]:
        values = numpy_helper.to_array(w)
        if f"{w.name}/int8" in stored:
            scale = stored[f"{w.name}/scale"]
            found = stored[f"{w.name}/int8"] * scale
            axes = tuple(i for i, n in enumerate(scale.shape) if n == 1)
            step = np.abs(values).max(axis=axes, keepdims=True) / 127
            error = np.square(found - values).mean(axis=axes, keepdims=True)
            even = step**2 / 12  # of numbers that lie anywhere between two steps
            assert (error <= 2 * even).all() and error.mean() <= 1.1 * even.mean()
        else:
            np.testing.assert_allclose(
                stored[f"{w.name}/float16"], values, atol=1e-7, rtol=1e-3
            )


def test_every_reader_of_onnx_computes_the_same(tmp_path):
    plain = write(tmp_path / "plain.onnx", NODES, WEIGHTS)
    store_in_8_bits(plain, tmp_path / "small.onnx")
    expected = OnnxSession(plain).run(clip())
    mos, frames, _ = OnnxSession(tmp_path / "small.onnx", stored_weights=True).run(
        clip()
    )
    other = onnxruntime.InferenceSession(tmp_path / "small.onnx")
    theirs = other.run(["mos", "frame_mos"], {"speech": clip()})
    assert mos == pytest.approx(float(theirs[0]), abs=1e-4)
    np.testing.assert_allclose(frames, theirs[1], rtol=1e-4, atol=1e-3)
    deviation = np.std(expected[1])
    assert 0 < np.abs(frames - expected[1]).max() < 0.1 * deviation


def test_a_file_is_as_before_but_for_its_weights(tmp_path):
    plain = write(tmp_path / "plain.onnx", NODES, WEIGHTS)
    assert with_float_weights(plain) == plain.read_bytes()
    store_in_8_bits(plain, tmp_path / "small.onnx")
    made = onnx.load_model_from_string(with_float_weights(tmp_path / "small.onnx"))
    onnx.checker.check_model(made)
    before = onnx.load(plain).graph
    assert [n.op_type for n in made.graph.node] == [
        n.op_type for n in before.node if n.op_type != "Identity"
    ]
    shapes = [
        {w.name: (list(w.dims), w.data_type) for w in g.initializer}
        for g in (made.graph, before)
    ]
    assert shapes[0] == shapes[1]


FEW = numpy_helper.from_array(np.arange(-8, 8, dtype=np.int8).reshape(2, 8), "few")
TAIL = [
    helper.make_node("ReduceMean", ["w"], ["mos"], keepdims=0),
    helper.make_node("Identity", ["speech"], ["frame_mos"]),
]


def scale(*shape):
    return numpy_helper.from_array(np.full(shape, 0.5, np.float32), "s")


@pytest.mark.parametrize(
    "nodes, more, left",
    [
        ([("Cast", "few", "f"), ("Mul", "f s", "w")], [scale(1, 8)], 0),
        ([("Cast", "few", "w")], [], 0),
        # One stored weight, any number of results.
        ([("Cast", "few", "w"), ("Cast", "few", "v")], [], 2),
        (
            [("Cast", "few", "f"), ("Mul", "f s", "w"), ("Mul", "f s", "v")],
            [scale(1, 8)],
            2,
        ),
        # A result that is larger than what is stored.
        ([("Cast", "few", "f"), ("Mul", "f s", "w")], [scale(9, 1, 8)], 1),
        ([("Cast", "few", "f"), ("Mul", "f f", "w")], [], 1),
        # Nothing is stored: the clip itself.
        ([("Mul", "speech s", "w")], [scale(1)], 1),
    ],
)
def test_only_what_takes_no_more_memory_is_computed_before(tmp_path, nodes, more, left):
    made = [
        helper.make_node(
            op, names.split(), [out], **({"to": 1} if op == "Cast" else {})
        )
        for op, names, out in nodes
    ]
    path = write(tmp_path / "m.onnx", [*made, *TAIL], [FEW, *more])
    graph = onnx.load_model_from_string(with_float_weights(path)).graph
    assert len(graph.node) == left + len(TAIL)
    if not left or len(nodes) > 1:
        mos, _, _ = OnnxSession(path, stored_weights=True).run(clip())
        other = onnxruntime.InferenceSession(path).run(["mos"], {"speech": clip()})
        assert mos == pytest.approx(float(other[0]))


@pytest.mark.parametrize("dims", [[2, 9], [1 << 62, 8], [0, 1 << 62], [1 << 40], []])
def test_a_size_that_is_not_there(tmp_path, dims):
    wrong = TensorProto(name="few", dims=dims, data_type=3, raw_data=bytes(16))
    nodes = [helper.make_node("Cast", ["few"], ["w"], to=1), *TAIL]
    path = write(tmp_path / "m.onnx", nodes, [wrong])
    assert with_float_weights(path) == path.read_bytes()
    if dims:
        with pytest.raises(UserError, match="cannot load it"):
            OnnxSession(path, stored_weights=True)


def test_a_model_that_is_too_large_as_floats(tmp_path, monkeypatch):
    plain = write(tmp_path / "plain.onnx", NODES, WEIGHTS)
    store_in_8_bits(plain, tmp_path / "small.onnx")
    size = (tmp_path / "small.onnx").stat().st_size
    monkeypatch.setattr(onnx_weights, "MOST_BYTES", size + 1000)
    with pytest.raises(UserError, match="with its weights as float32; a model has at"):
        with_float_weights(tmp_path / "small.onnx")
    with pytest.raises(UserError, match="none.onnx: cannot be read"):
        with_float_weights(tmp_path / "none.onnx")


def test_no_bit_of_a_file_does_harm(tmp_path):
    """Every byte changed, one at a time: a model of bounded size, or one line."""
    nodes = [
        helper.make_node("Cast", ["few"], ["f"], to=1),
        helper.make_node("Mul", ["f", "s"], ["w"]),
        *TAIL,
    ]
    path = write(tmp_path / "m.onnx", nodes, [FEW, scale(1, 8)])
    content = bytearray(path.read_bytes())
    refused = 0
    for at in range(len(content)):
        for change in (0xFF, 0x01, 0x80):
            changed = bytearray(content)
            changed[at] ^= change
            path.write_bytes(changed)
            try:
                assert len(with_float_weights(path)) < 4 * len(content)
            except UserError as e:
                assert str(e).startswith(str(path)) and "\n" not in str(e)
                refused += 1
    assert refused > len(content) / 10
