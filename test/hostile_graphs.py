"""Small exported models, and graphs that would do harm."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from espnet2_distilmos.packs.onnx_record import KEY, OnnxRecord

RECORD = OnnxRecord("float32", 0.02, 16000, 400, {"model.pth": "0" * 64})


def make(nodes=None, inputs=("speech", 1), weights=(), record=None, **model):
    """A model of a few operators: the score is the mean, as many frames as samples."""
    nodes = nodes or [
        helper.make_node("Identity", ["speech"], ["frame_mos"]),
        helper.make_node("ReduceMean", ["speech"], ["mos"], keepdims=0),
    ]
    name, n_dims = inputs
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * n_dims)],
        [
            helper.make_tensor_value_info("mos", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("frame_mos", TensorProto.FLOAT, [None]),
        ],
        initializer=list(weights),
    )
    opsets = model.pop("opsets", [helper.make_opsetid("", 17)])
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, **model)
    text = RECORD.to_text() if record is None else record
    helper.set_model_props(made, {KEY: text})
    return made


def outside():
    """A weight that is said to lie in another file."""
    weight = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../etc/passwd")
    return weight


def unmarked():
    """The same without the mark, which readers may not look at."""
    weight = outside()
    weight.ClearField("data_location")
    return weight


def in_a_constant():
    return [
        helper.make_node("Constant", [], ["w"], value=outside()),
        *make().graph.node,
    ]


def loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, [])],
    )
    return [helper.make_node("Loop", ["", ""], [], body=body), *make().graph.node]


def hidden_graph():
    """A graph inside an operator that is allowed."""
    node = make().graph.node[0]
    node.attribute.append(helper.make_attribute("body", make().graph))
    return [node]


def function():
    return helper.make_function(
        "own", "f", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], []
    )


def custom():
    return [helper.make_node("Identity", ["speech"], ["mos"], domain="evil")]


def sparse():
    made = make()
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "s")
    places = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "i")
    made.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, places, [1 << 40])
    )
    return made
